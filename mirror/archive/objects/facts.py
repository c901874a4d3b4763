"""What a store says of an object."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    """What a store says of one object.

    Args:
        key: Its path below the archive's root.
        etag: Changes with its bytes; good for conditions, not a checksum.
        modified_ts: Unix seconds.
        version: Its number where the bucket keeps earlier ones; empty in listings, and where none are kept.
        labels: What was put beside its bytes; empty in listings, which do not tell.
    """

    key: str
    size_bytes: int
    etag: str
    modified_ts: float = 0.0
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
