"""HTTP; the only package that imports aiohttp. One session for the API, bare ones for pictures."""

import mirror.transport.certificates  # noqa: F401 - imports aiohttp before any other file here does
from mirror.transport.body import Body
from mirror.transport.client import Answer, ApiGate, Transport
from mirror.transport.line import Line
from mirror.transport.post import Post

__all__ = ["Answer", "ApiGate", "Body", "Line", "Post", "Transport"]
