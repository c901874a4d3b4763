"""Which photos a walk has seen, in little memory."""


class PhotoIds:
    """A set of photo ids in a fraction of a set's memory: ids come in dense runs, one word keeps 64 of them."""

    __slots__ = ("_words", "count")

    def __init__(self) -> None:
        self._words: dict[int, int] = {}
        self.count = 0

    def add(self, photo_id: int) -> bool:
        """Add an id; true if it was not there."""
        word, bit = photo_id >> 6, 1 << (photo_id & 63)
        before = self._words.get(word, 0)
        if before & bit:
            return False
        self._words[word] = before | bit
        self.count += 1
        return True
