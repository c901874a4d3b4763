"""Archive the photos of a race from the RunSignup photo API.

``run_sync`` does what ``mirror sync`` does, without the terminal; ``load_config`` reads the same file.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirror.config import Config, load_config
    from mirror.errors import MirrorError
    from mirror.model import RunReport
    from mirror.sync import run_sync

__version__ = "0.1.0"
__all__ = ["Config", "MirrorError", "RunReport", "__version__", "load_config", "run_sync"]

_HOMES = {
    "Config": "mirror.config",
    "MirrorError": "mirror.errors",
    "RunReport": "mirror.model",
    "load_config": "mirror.config",
    "run_sync": "mirror.sync",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: ``mirror --help`` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - the face is lazy

    return getattr(import_module(_HOMES[name]), name)
