"""Durations and sizes as people write them. Pure."""

import re
from decimal import Decimal

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_SECONDS = tuple(map(Decimal, ("604800", "86400", "3600", "60", "1", "0.001")))
_DURATION = re.compile(
    "".join(
        rf"(?:{_NUMBER}{unit})?"
        for unit in (
            r"w(?:eeks?)?", r"d(?:ays?)?", r"h(?:(?:ou)?rs?)?", r"m(?:in(?:ute)?s?)?", r"s(?:ec(?:ond)?s?)?", r"ms",
        )
    )
)  # fmt: skip
_SIZE = re.compile(rf"{_NUMBER}(?:([KMGT])(I?)B?|B(?:YTES?)?)?")
_LONGEST_S = 100 * 365 * 86_400
_LARGEST_BYTES = 2**63 - 1


def parse_duration(value: object) -> float:
    """Read ``"500ms"``, ``"30s"``, ``"1h30m"``, ``"2d"`` or a plain number of seconds as seconds.

    Raises:
        ValueError: It is no duration, or longer than a hundred years; the message says what is expected.
    """
    text = re.sub(r"\s", "", str(value)).lower()
    found = _DURATION.fullmatch(text)
    if re.fullmatch(_NUMBER, text):
        seconds = Decimal(text)
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST_S:
        return float(value)
    elif text and found:
        seconds = sum(
            (Decimal(number) * unit for number, unit in zip(found.groups("0"), _SECONDS, strict=True)), Decimal()
        )
    else:
        raise ValueError('expected a duration such as "30s", "10m" or "1h30m"')
    if seconds > _LONGEST_S:
        raise ValueError("expected a duration of at most a hundred years")
    return float(seconds)


def parse_size(value: object) -> int:
    """Read ``"512KB"`` (10^3), ``"10MB"`` (10^6), ``"1GiB"`` (2^30) or a plain number as bytes.

    Raises:
        ValueError: It is no size; the message says what is expected.
    """
    found = _SIZE.fullmatch(re.sub(r"\s", "", str(value)).upper())
    size = -1
    if found:
        power = " KMGT".index(found[2]) if found[2] else 0
        size = int(Decimal(found[1]) * (1024 if found[3] else 1000) ** power)
    if not 0 <= size <= _LARGEST_BYTES:
        raise ValueError('expected a size such as "512KB", "10MB" or "1GiB"')
    return size
