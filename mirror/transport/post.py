"""Sending news to an address of the owner's choice."""

from dataclasses import dataclass
from pathlib import Path

import aiohttp

from mirror.errors import RefusedError
from mirror.hosts import host_of, webhook_fault
from mirror.transport.answers import FOREIGN, REDIRECTS, asking_failed, status_error
from mirror.transport.connections import environment_proxy, ssl_context


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A way to one address, which may be as good as a secret: no error and no log names more than its host.

    Args:
        url: https, or http on this machine.
        answer_s: Longest time for the whole request.
        proxy: Without one the environment decides.
        ca_file: Certificates trusted besides the system's.
    """

    url: str
    user_agent: str
    answer_s: float = 10.0
    proxy: str | None = None
    ca_file: Path | None = None

    async def send(self, body: bytes) -> None:
        """Send JSON once; redirects are not followed, and what the answer says is not read.

        Raises:
            FetchError: Refused by us, no answer, or an answer other than 2xx.
        """
        what = host_of(self.url)
        if fault := webhook_fault(self.url):
            raise RefusedError(f"{what}: {fault}", url=what)
        try:
            async with (
                self._session() as session,
                session.post(
                    self.url, data=body, allow_redirects=False, proxy=self.proxy or environment_proxy(self.url)
                ) as response,
            ):
                status, headers = response.status, response.headers
        except FOREIGN as error:
            raise asking_failed(error, what) from None
        if status in REDIRECTS:
            raise RefusedError(f"{what}: redirects (HTTP {status}): give the address it leads to", url=what)
        if not 200 <= status < 300:
            raise status_error(status, headers, what)

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=True if self.ca_file is None else ssl_context(self.ca_file)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.answer_s),
            headers={"User-Agent": self.user_agent, "Content-Type": "application/json"},
            trust_env=False,
        )
