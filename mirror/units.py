"""Durations and sizes as people write them. Pure."""

import re

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "B": 1} | {
    letter + suffix: base**power
    for power, letter in enumerate("KMGT", 1)
    for suffix, base in (("", 1000), ("B", 1000), ("IB", 1024))
}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_STEP = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?I?B?)")


def parse_duration(value: object) -> float:
    """Read ``"500ms"``, ``"30s"``, ``"1h30m"`` or a plain number of seconds as seconds.

    Raises:
        ValueError: It is no duration.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    text = str(value).strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not _DURATION.fullmatch(text):
        raise ValueError('expected a duration such as "30s", "10m", "1h30m"')
    return sum(float(number) * _SECONDS[unit] for number, unit in _STEP.findall(text))


def parse_size(value: object) -> int:
    """Read ``"512KB"``, ``"10MB"``, ``"1GiB"`` or a plain number as bytes.

    Raises:
        ValueError: It is no size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(str(value).strip().upper())
    if found is None or found[2] not in _BYTES:
        raise ValueError('expected a size such as "512KB", "10MB", "1GiB"')
    return int(float(found[1]) * _BYTES[found[2]])
