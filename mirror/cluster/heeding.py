"""What a process does when it hears of a host from another one."""

import time

from mirror.cluster.parcels import HostNews
from mirror.transport import Transport

MARGIN_S = 0.25
"""What a hold must be longer by to count as another one: else each hop of the same one would add its own time."""


def heed_news(transport: Transport, news: HostNews) -> None:
    """Leave a host alone as others were asked to, or found that they must."""
    pace = transport.places.pace(news.host)
    if news.held_s > transport.held_s(news.host) + MARGIN_S:
        pace.hold(time.monotonic() + news.held_s)
    if news.why_closed:
        pace.trip(news.why_closed)
