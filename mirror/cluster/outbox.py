"""What a worker has to tell, until it knows that it was heard. Pure."""

from collections import deque

from mirror.model import Outcome

Logged = tuple[int, str, str]
"""Level, logger and text of a message."""

_MOST_LOGGED = 200


class Outbox:
    """Numbered news."""

    def __init__(self) -> None:
        self._news: deque[tuple[int, Outcome | Logged]] = deque()
        self._number = 0

    def put(self, news: Outcome | Logged) -> None:
        """Add one piece."""
        self._number += 1
        self._news.append((self._number, news))

    def put_logged(self, level: int, logger: str, text: str) -> None:
        """Add a message; of very many at once, the first."""
        if len(self._news) < _MOST_LOGGED:
            self.put((level, logger, text))

    def forget(self, number: int) -> None:
        """Drop what was heard: everything up to a number."""
        while self._news and self._news[0][0] <= number:
            self._news.popleft()

    def everything(self) -> tuple[int, list[Outcome], tuple[Logged, ...]]:
        """Give all that was not heard yet, with the number of the last of it."""
        outcomes = [each for _, each in self._news if not isinstance(each, tuple)]
        return self._number, outcomes, tuple(each for _, each in self._news if isinstance(each, tuple))
