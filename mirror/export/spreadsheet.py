"""Cells that a spreadsheet may open: text stays text. Pure."""

import re

MARK = "'"
"""What stands before a text that would become something else without it."""

_SIGNS = "=+@\uff1d\uff0b\uff20\ufe66\ufe62\ufe6b\uff0d\ufe63-"
"""What formulas begin with; the wide and small ones come from Asian keyboards and are taken for the plain ones."""
_HIDING = r"""\s\x00-\x1f\ufeff"'`\u00b4\u2018-\u201f\u00ab\u00bb\u2039\u203a"""
"""White space, control characters and quotes do not hide a sign."""
_FORMULA = re.compile(rf"\A(?=[\t\r])|(?:\A|[;\t\r\n])(?=[{_HIDING}]*[{_SIGNS}])")
"""A place where a formula would begin: the start, or behind something at which a spreadsheet may split cells."""
_HARMLESS = re.compile(r"[0-9A-Za-z][^;\t\r\n]*\Z")
"""What nearly all cells are: they need no closer look."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_CHANGED = re.compile(
    r"[+-]?0[0-9][0-9.,]*"  # leading zeros would go
    r"|[+-]?[0-9]{16,}"  # more digits than a spreadsheet keeps
    r"|[+-]?[0-9]*\.?[0-9]+e[+-]?[0-9]+"  # 12E5 would be a large number
    r"|[0-9]{1,4}[-/.][0-9]{1,2}(?:[-/.][0-9]{1,4})?"  # 5-10 and 1/2 would be dates
    r"|[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?"  # 10:30 would be a time
    r"|true|false",
    re.IGNORECASE,
)


def defused(text: str) -> str:
    """Put an apostrophe before whatever a spreadsheet would run as a formula; plain numbers stay numbers."""
    if _HARMLESS.match(text) or _NUMBER.fullmatch(text):
        return text
    return _FORMULA.sub(rf"\g<0>{MARK}", text)


def kept(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would change: ``0117``, ``12E5``, ``5-10``."""
    return f"{MARK}{text}" if _CHANGED.fullmatch(text.strip()) else text
