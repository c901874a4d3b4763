"""Who gets how much of what all workers may have together. Pure."""


class Shares:
    """The places and the speed that a run may have, divided among those that are at work.

    Args:
        places: Requests at once over all of them.
        limit_rate_bytes_s: The same for the speed limit; 0 for none.
    """

    def __init__(self, places: int, limit_rate_bytes_s: float) -> None:
        self.places = places
        self.limit_rate_bytes_s = limit_rate_bytes_s
        self.sharers: set[str] = set()

    def places_of(self, address: str) -> int:
        """How many requests one may make at once: all shares together are never more than there are places."""
        sharers = sorted(self.sharers | {address})
        each, more = divmod(self.places, len(sharers))
        return max(1, each + (sharers.index(address) < more))

    def lend(self) -> int:
        """Leave a quarter of the places to this process, and say how many those are."""
        lent = max(1, self.places // 4)
        self.places = max(1, self.places - lent)
        return lent

    @property
    def rate_bytes_s(self) -> float:
        """The speed that each gets."""
        return self.limit_rate_bytes_s / max(1, len(self.sharers))
