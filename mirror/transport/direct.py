"""One GET straight over a session's connector.

What `aiohttp.ClientSession` does besides for every request (cookies, redirects, authorization, traces, a total time)
is not wanted for pictures, and was a third of what a small one costs. The pieces used here are aiohttp's own, but not
all of them are promised to stay: with a release that is not known here the session itself is asked.
"""

import asyncio
from collections.abc import Callable

import aiohttp
from aiohttp.helpers import TimerNoop
from multidict import CIMultiDict
from yarl import URL

_KNOWN = "3.14."
_NO_TRACES: list[aiohttp.tracing.Trace] = []


class DirectGet:
    """Sends bare GETs and waits for their headers; redirects are not followed, and no silence is ended.

    Args:
        session: Whose connections are used, and whose headers go with every request.
        timeout: Of it, the time to connect counts.
        read_bytes: Buffer of one connection.
        version: Release of aiohttp.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        timeout: aiohttp.ClientTimeout,
        read_bytes: int,
        version: str = aiohttp.__version__,
    ) -> None:
        self._is_known = version.startswith(_KNOWN)
        self._session = session
        self._timeout = timeout
        self._read_bytes = read_bytes
        self._timer = TimerNoop()
        self._loop = asyncio.get_running_loop()
        self._headers = CIMultiDict(session.headers)

    async def get(
        self, url: URL, headers: CIMultiDict[str] | None, on_connected: Callable[[], None] = lambda: None
    ) -> aiohttp.ClientResponse:
        """Send one GET.

        Args:
            on_connected: Called once there is a connection: from then on the host is waited for.
        Raises:
            aiohttp.ClientError, OSError: As the session's own methods.
        """
        connector = self._session.connector
        if not self._is_known or connector is None:
            return await self._session.get(url, headers=headers, allow_redirects=False)
        sent = self._headers
        if headers is not None:
            sent = sent.copy()
            sent.update(headers)
        request = aiohttp.ClientRequest(
            "GET", url, headers=sent, loop=self._loop, session=self._session, timer=self._timer,
            response_class=aiohttp.ClientResponse,
        )  # fmt: skip
        try:
            connection = await connector.connect(request, _NO_TRACES, self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        on_connected()
        try:
            protocol = connection.protocol
            if protocol is None:
                raise aiohttp.ServerDisconnectedError
            protocol.set_response_params(
                timer=self._timer, read_until_eof=True, auto_decompress=False, read_bufsize=self._read_bytes
            )
            response = await request.send(connection)
            try:
                return await response.start(connection)
            except BaseException:
                response.close()
                raise
        except BaseException:
            connection.close()
            raise
