"""What a worker logs of pictures, for the client's log."""

import logging
from collections.abc import Callable

_ROOMS = logging.getLogger("mirror")


class Ears(logging.Handler):
    """Hears what the rooms of this process say, from warnings on.

    Args:
        tell: Is given level, logger and text.
    """

    def __init__(self, tell: Callable[[int, str, str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        _ROOMS.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a message on."""
        self._tell(record.levelno, record.name, record.getMessage())

    def close(self) -> None:
        """Hear no more."""
        _ROOMS.removeHandler(self)
        super().close()
