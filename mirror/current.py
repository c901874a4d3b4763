"""What every command that writes a manifest does first: it says who writes, and sees that nobody else has written."""

from mirror import __version__
from mirror.archive import Archive
from mirror.errors import ManifestError

PROGRAM = f"mirror {__version__}"


async def require_current(archive: Archive, name: str) -> None:
    """Refuse to go on with a manifest of this machine that no longer says what lies in the archive.

    Raises:
        ManifestError: Another machine has left its own there since this one did.
    """
    if not await archive.is_own_current(name):
        raise ManifestError(
            f"{archive.place}: another machine has written this archive since this one last did: let one machine "
            "at a time write it. 'mirror rebuild' begins from the manifest that it left there"
        )
