"""Where an archive lies: in a folder of this machine, or below a prefix of a bucket; pure."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mirror.errors import ConfigError

STATE = ".mirror"
"""Our own folder, inside whatever an archive lies in."""
STORES = ("s3", "gs", "az")
"""Kinds of buckets, as their addresses begin: Amazon S3 and whatever speaks like it, Google, Azure."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 80
_WEB_BASE = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~!$&()*+,=:@%-]+)*")
_EXPECTED = "expected an address such as s3://bucket/photos (or gs://, az://)"


@dataclass(frozen=True, slots=True)
class ArchiveRoot:
    """The place of one archive.

    Args:
        folder: Where it lies on this machine; None if it does not.
        url: Otherwise its address, as `parse_root` gives it: scheme, bucket and prefix, no slash at the end.
    """

    folder: Path | None = None
    url: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.folder is not None

    @property
    def path(self) -> Path:
        """The folder, for whoever can work with a folder only.

        Raises:
            ConfigError: It lies in a bucket.
        """
        if self.folder is None:
            raise ConfigError(f"{self.url}: this works only on an archive in a folder, and this one lies in a bucket")
        return self.folder

    @property
    def state_dir(self) -> Path:
        """The folder that its manifest lies in, if nobody says otherwise."""
        return self.folder / STATE if self.folder is not None else own_state_dir(self, os.environ)

    @property
    def name(self) -> str:
        """Its last part, as people call it."""
        return self.folder.name if self.folder is not None else self.url.rpartition("/")[2]

    def at(self, key: str) -> str:
        """Write where a key lies, as people and other programs take it: a path, or an address."""
        return str(self.folder / key) if self.folder is not None else f"{self.url}/{key}"

    def holds(self, place: Path) -> bool:
        """Whether a place of this machine lies inside."""
        return self.folder is not None and place.resolve().is_relative_to(self.folder.resolve())

    def below(self, name: str) -> "ArchiveRoot":
        """The place of that name inside this one."""
        return ArchiveRoot(self.folder / name) if self.folder is not None else ArchiveRoot(url=f"{self.url}/{name}")

    def __str__(self) -> str:
        """Write it as people give it."""
        return self.url or str(self.folder)


def is_url(text: str) -> bool:
    """Whether this is meant as an address rather than as a path."""
    return _URL.match(text) is not None


def parse_root(text: str) -> ArchiveRoot:
    """Read an address of a bucket.

    Raises:
        ValueError: It is none, or holds what does not belong there, such as a password.
    """
    parts = urlsplit(text)
    if "@" in parts.netloc:
        raise ValueError("expected no credentials in it: they come from where your other tools for buckets have them")
    prefix = [each for each in parts.path.split("/") if each]
    is_plain = not (parts.query or parts.fragment or "?" in text or "#" in text) and text.isprintable()
    if parts.scheme not in STORES or not _BUCKET.fullmatch(parts.netloc) or not is_plain or {".", ".."} & set(prefix):
        raise ValueError(_EXPECTED)
    return ArchiveRoot(url="/".join((f"{parts.scheme}://{parts.netloc}", *prefix)))


def parse_web_base(text: str) -> str:
    """Read the address under which the root of an archive can be had on the web.

    Raises:
        ValueError: It is none that a page may point to.
    """
    if not _WEB_BASE.fullmatch(text.rstrip("/")):
        raise ValueError("expected an address such as https://photos.example.org/2026, without user and query")
    return text.rstrip("/")


def own_state_dir(root: ArchiveRoot, environ: Mapping[str, str]) -> Path:
    """Name a folder of this machine for what an archive in a bucket keeps here: its manifest, drafts.

    Source: XDG Base Directory Specification 0.8, ``XDG_STATE_HOME``.
    """
    given = Path(environ.get("XDG_STATE_HOME") or "")
    home = given if given.is_absolute() else Path.home() / ".local" / "state"
    readable = _PLAIN.sub("-", root.url)[:_LONGEST_NAME]
    # Different addresses can read alike.
    return home / "mirror" / f"{readable}-{hashlib.sha256(root.url.encode()).hexdigest()[:8]}"
