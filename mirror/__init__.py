"""Archive the photos of a race from the RunSignup photo API.

``run_sync`` does what ``mirror sync`` does, without the terminal; ``load_config`` reads the same file.
"""

from typing import TYPE_CHECKING

from mirror.faces import lazy_face

if TYPE_CHECKING:
    from mirror.config import Config, load_config
    from mirror.errors import MirrorError
    from mirror.model import RunReport
    from mirror.sync import run_sync

__version__ = "0.1.0"
__all__ = ["Config", "MirrorError", "RunReport", "__version__", "load_config", "run_sync"]

__getattr__ = lazy_face(
    __name__,
    {
        "config": "Config load_config",
        "errors": "MirrorError",
        "model": "RunReport",
        "sync": "run_sync",
    },
)
