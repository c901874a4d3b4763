"""Memory for bodies on their way."""

from dataclasses import dataclass


@dataclass(slots=True)
class Room:
    """What all transfers together may hold whole, beyond what is always small."""

    free_bytes: int

    def take(self, size_bytes: int) -> bool:
        """Take room, if there is as much."""
        has_room = size_bytes <= self.free_bytes
        self.free_bytes -= size_bytes if has_room else 0
        return has_room

    def give_back(self, size_bytes: int) -> None:
        """Give room back."""
        self.free_bytes += size_bytes
