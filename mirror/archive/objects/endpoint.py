"""Where an S3 store listens, as the environment says; pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def is_on_loopback(environ: Mapping[str, str]) -> bool:
    """Whether the store is a process of this machine: only there may a request travel in the open."""
    address = next((environ[each] for each in _ENDPOINTS if environ.get(each)), "")
    return address.startswith("http://") and urlsplit(address).hostname in _LOOPBACK
