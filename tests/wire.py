"""A server on loopback that says byte for byte what a test tells it to."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from mirror.hosts import HostRules
from mirror.transport import Transport

PICTURE = bytes(range(256)) * 64
LOOPBACK = HostRules(allowed=("127.0.0.1", "localhost"), allow_http=True, allow_private=True)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    target: str
    headers: dict[str, str]
    connection_no: int


@dataclass(slots=True)
class Wire:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send bytes as they are; a client that is gone is no failure of the server."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def stall(self) -> None:
        """Say nothing until the client gives up."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read()

    async def dribble(self, data: bytes, *, every_s: float) -> None:
        """Send a byte now and then until the client gives up."""
        for byte in data:
            if self.reader.at_eof() or self.writer.is_closing():
                return
            await self.send(bytes([byte]))
            # The pause is the server's; it ends at once when the client leaves.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self.stall()

    def reset(self) -> None:
        """Cut the connection so that the client sees a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """Close the connection in good order."""
        self.writer.close()


Handler = Callable[[Request, Wire], Awaitable[None]]


@dataclass(slots=True)
class RawServer:
    """What is asked is kept in order; the handler answers."""

    handler: Handler
    is_tls: bool = False
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    connections: int = 0

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    def url(self, path: str = "/t/1.jpg") -> str:
        """An address on this server."""
        return self.origin + path

    @property
    def host(self) -> str:
        """The name that the transport keeps its pace under."""
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until either side ends it."""
        self.connections += 1
        number = self.connections
        wire = Wire(reader, writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *fields = head.decode("latin-1").rstrip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
                request = Request(line.split(" ")[1], headers, number)
                self.requests.append(request)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    await self.handler(request, wire)
                finally:
                    self.in_flight -= 1
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def raw_server(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve on a free port of loopback."""
    raw = RawServer(handler, is_tls=tls is not None)
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks[task] = writer
        await raw.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for writer in tasks.values():
            writer.transport.abort()
        if tasks:
            await asyncio.wait(tasks, timeout=5)


@contextlib.asynccontextmanager
async def open_transport(**changes: object) -> AsyncIterator[Transport]:
    """A transport that may ask loopback, and has little patience."""
    settings: dict[str, object] = {
        "user_agent": "mirror/test",
        "rules": LOOPBACK,
        "connect_s": 2.0,
        "stall_s": 2.0,
        "trust_env_proxy": False,
    }
    transport = Transport(**(settings | changes))  # type: ignore[arg-type]
    try:
        yield transport
    finally:
        await transport.aclose()


async def fetch(transport: Transport, url: str) -> bytes:
    """Read one picture whole."""
    async with transport.open_asset(url) as body:
        return await body.read()


def answer(body: bytes = PICTURE, *, status: str = "200 OK", length: int | None = -1, **headers: str) -> bytes:
    """An answer in the usual form; underscores in header names stand for hyphens."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if length is not None:
        fields["Content-Length"] = str(len(body) if length < 0 else length)
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def always(data: bytes, *, close: bool = False) -> Handler:
    """Give everybody the same answer."""

    async def handle(_: Request, wire: Wire) -> None:
        await wire.send(data)
        if close:
            wire.close()

    return handle


def in_turn(*handlers: Handler) -> Handler:
    """Answer each request by the next handler; the last one stays."""
    left = list(handlers)

    async def handle(request: Request, wire: Wire) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(request, wire)

    return handle
