"""All that a transport is opened with, as plain data: a worker on another machine opens the same one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mirror.hosts import HostRules
from mirror.pace import HostPace
from mirror.transport.client import ApiGate, Transport
from mirror.transport.room import Room


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A way to the network that can be opened here or elsewhere; see `Transport` for what the settings mean.

    Args:
        is_fixed: A host gets ``most_requests`` at once, whatever that brings.
    """

    user_agent: str
    rules: HostRules
    connect_s: float
    stall_s: float
    least_rate_bytes_s: float
    least_rate_after_s: float
    longest_retry_after_s: float
    largest_asset_bytes: int
    largest_page_bytes: int
    memory_bytes: int
    most_hops: int
    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    is_fixed: bool
    start_requests: int
    least_requests: int
    most_requests: int
    patience_s: float
    limit_rate_bytes_s: float

    def open(
        self,
        *,
        most_requests: int | None = None,
        on_bytes: Callable[[int], None] | None = None,
        api_gate: ApiGate | None = None,
    ) -> Transport:
        """Open it; no request is made.

        Args:
            most_requests: The share of them that this transport gets; all by default.
            on_bytes: Told of bytes as they come.
            api_gate: Entered for each API call.
        """

        def new_pace() -> HostPace:
            return self._pace(transport.most_requests)

        transport = Transport(
            user_agent=self.user_agent,
            rules=self.rules,
            connect_s=self.connect_s,
            stall_s=self.stall_s,
            least_rate_bytes_s=self.least_rate_bytes_s,
            least_rate_after_s=self.least_rate_after_s,
            longest_retry_after_s=self.longest_retry_after_s,
            largest_asset_bytes=self.largest_asset_bytes,
            largest_page_bytes=self.largest_page_bytes,
            most_hops=self.most_hops,
            proxy=self.proxy,
            ca_file=self.ca_file,
            most_requests=most_requests or self.most_requests,
            new_pace=new_pace,
            limit_rate_bytes_s=self.limit_rate_bytes_s,
            on_bytes=on_bytes,
            api_gate=api_gate,
        )
        transport.room = Room(self.memory_bytes)
        return transport

    def _pace(self, share: int) -> HostPace:
        """Make a host's pace for one of several that share what the host gets."""
        start = max(1, self.start_requests * share // self.most_requests)
        return HostPace(
            start=share if self.is_fixed else start,
            least=share if self.is_fixed else min(self.least_requests, share),
            most=share,
            patience_s=self.patience_s,
        )
