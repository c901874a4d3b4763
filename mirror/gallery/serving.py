"""The gallery on loopback while one works: the same files over HTTP, made again when a run brought something."""

import asyncio
import logging
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from mirror.archive import StoredFiles, stored_files
from mirror.errors import ConfigError, DamagedError, MirrorError
from mirror.gallery.build import build_gallery
from mirror.gallery.options import GalleryOptions, GalleryReport
from mirror.manifest import GalleryReader
from mirror.root import ArchiveRoot

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_POLL_S = 2.0
_REST = 5.0
"""How many times as long as a build took nothing is built again: a long run must not wait for its gallery."""
_PICTURES = frozenset(
    (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".jp2", ".j2k")
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
PICTURES = "../pictures"
"""The way from a page to the pictures of an archive in a bucket, while they are served."""
_PICTURES_NAME = PICTURES.rpartition("/")[2]
_NOT_KEPT = "no-cache"
_IN_MEMORY_BYTES = 8 * 1024 * 1024
_NOWHERE = os.devnull + "/nothing"


class GalleryServer:
    """Serves a gallery, and the pictures of its archive, to this machine alone.

    Args:
        site: The gallery's folder.
        root: Where the archive lies; one in a bucket is read through this process, and its pages were built with
            `PICTURES` for a base.
        port: 0 takes a free one.
    Raises:
        ConfigError: The port cannot be used, or the extra for buckets is not installed.
    """

    def __init__(self, site: Path, root: ArchiveRoot, *, port: int = 0) -> None:
        site, folder = site.absolute(), root.folder.absolute() if root.folder is not None else None
        common = Path(os.path.commonpath((site, folder))) if folder is not None else site.parent
        start = f"/{quote(site.relative_to(common).as_posix())}/"
        self._files = stored_files(root) if folder is None else None
        handler = partial(_Handler, site=site, root=folder, files=self._files, common=common, start=start)
        try:
            self._server = ThreadingHTTPServer((_HOST, port), handler)
        except OSError as error:
            raise ConfigError(f"--port {port} cannot be used: {error.strerror or error}") from None
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="gallery", daemon=True)
        self.url = f"http://{_HOST}:{self._server.server_port}{start}"

    def __enter__(self) -> Self:
        if self._files is not None:
            self._files.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self._files is not None:
            self._files.__exit__(kind, error, trace)


async def keep_fresh(
    root: ArchiveRoot,
    manifest: Path,
    options: GalleryOptions,
    *,
    stop: asyncio.Event,
    on_built: Callable[[GalleryReport], None],
    poll_s: float = _POLL_S,
) -> None:
    """Make the gallery again whenever a run brought something, until the event is set."""
    # Nothing is seen yet: what came while the first gallery was made would be missed.
    seen: tuple[object, ...] = ()
    rest_s = poll_s
    while not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), rest_s)
            return
        rest_s = poll_s
        try:
            mark = await asyncio.to_thread(_mark, manifest)
            if mark != seen:
                report = await asyncio.to_thread(build_gallery, root, manifest, options)
                seen, rest_s = mark, max(poll_s, _REST * report.seconds)
                if report.written:
                    on_built(report)
        except MirrorError as error:
            log.warning("the gallery stays as it is: %s", error)


def _mark(manifest: Path) -> tuple[object, ...]:
    with GalleryReader(manifest) as reader:
        return reader.held_mark()


class _Handler(SimpleHTTPRequestHandler):
    """Answers with files of the gallery and pictures of the archive, and with nothing else that lies beside them."""

    protocol_version = "HTTP/1.1"
    server_version = "mirror"

    def __init__(
        self, *arguments: Any, site: Path, root: Path | None, files: StoredFiles | None, common: Path, start: str
    ) -> None:
        self.site, self.root, self.files, self.common, self.start = site, root, files, common, start
        self._caching = _NOT_KEPT
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer one request."""
        if not self._is_welcome():
            return
        parts = self._parts(self.path)
        if self.files is not None and parts and parts[0] == _PICTURES_NAME and _is_picture(parts[-1]):
            self._send_stored(self.files, "/".join(parts[1:]))
        else:
            super().do_GET()

    def _send_stored(self, files: StoredFiles, key: str) -> None:
        """Hand a picture through from where it is stored; whoever looks at it needs no credentials."""
        with SpooledTemporaryFile(_IN_MEMORY_BYTES) as body:
            try:
                size_bytes = files.pass_on(key, body.write)
            except MirrorError as error:
                log.warning("%s", error)
                is_absent = isinstance(error, DamagedError)
                self.send_error(HTTPStatus.NOT_FOUND if is_absent else HTTPStatus.BAD_GATEWAY)
                return
            self._caching = "private, max-age=600"
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", self.guess_type(key))
            self.send_header("Content-Length", str(size_bytes))
            self.end_headers()
            body.seek(0)
            shutil.copyfileobj(body, self.wfile)
            self._caching = _NOT_KEPT

    @staticmethod
    def _parts(path: str) -> list[str] | None:
        """Take an address apart; None for one with names in it that nobody may ask for."""
        parts = [part for part in unquote(urlsplit(path).path, errors="surrogateescape").split("/") if part]
        is_wrong = any(part.startswith(".") or "\0" in part or "\\" in part for part in parts)
        return None if is_wrong else parts

    def do_HEAD(self) -> None:
        """Answer one request without the body."""
        if self._is_welcome():
            super().do_HEAD()

    def _is_welcome(self) -> bool:
        """Whether the request means this server by name: a page elsewhere that had its own name point here does not."""
        name = self.headers.get("Host", "").rpartition(":")[0]
        if name not in {_HOST, "localhost"}:
            self.send_error(HTTPStatus.FORBIDDEN)
            return False
        if urlsplit(self.path).path == "/":
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", self.start)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        return True

    def translate_path(self, path: str) -> str:
        """Find the file that is meant; one that is not there for what is not to be served."""
        parts = self._parts(path)
        if parts is None:
            return _NOWHERE
        file = self.common.joinpath(*parts)
        if file.is_relative_to(self.site):
            return str(file) + ("/" if path.endswith("/") else "")
        if self.root is None or not file.is_relative_to(self.root) or not _is_picture(file.name):
            return _NOWHERE
        return str(file) if file.resolve().is_relative_to(self.root.resolve()) else _NOWHERE

    def list_directory(self, path: Any) -> None:
        """Refuse: what there is to see is on the pages."""
        del path
        self.send_error(HTTPStatus.NOT_FOUND)

    def guess_type(self, path: Any) -> str:
        """Name the type of a file, the same on every system."""
        return _TYPES.get(Path(path).suffix) or super().guess_type(path)

    def end_headers(self) -> None:
        """Add what every answer says."""
        self.send_header("Cache-Control", self._caching)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        super().end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's own name for it
        """Log in our own way."""
        log.debug(format, *arguments)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in _PICTURES
