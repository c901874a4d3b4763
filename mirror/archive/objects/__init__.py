"""An archive in a bucket: drafts are spooled on this machine, everything else is conditional requests to a store."""

from typing import TYPE_CHECKING

from mirror.archive.objects.facts import ObjectFacts
from mirror.errors import ConfigError
from mirror.root import ArchiveRoot

if TYPE_CHECKING:
    from mirror.archive.objects.bucket import Bucket

__all__ = ["ObjectFacts", "open_bucket"]


def open_bucket(
    root: ArchiveRoot, *, patience_s: float = 300.0, stall_s: float = 30.0, connect_s: float = 10.0
) -> "Bucket":
    """Make a bucket ready to be asked; no request is made.

    Args:
        patience_s: For so long a store that is away is asked again.
        stall_s: How long an answer may take.
    Raises:
        ConfigError: The extra is not installed, or the address or the environment make no sense to the store.
    """
    try:
        from mirror.archive.objects.bucket import Bucket  # noqa: PLC0415 - an extra, and heavy
    except ImportError:
        raise ConfigError(f"{root}: buckets need one more package: pip install 'mirror[s3]'") from None
    return Bucket.open(root, patience_s=patience_s, stall_s=stall_s, connect_s=connect_s)
