"""Imports go down only, and one outside world has one room."""

import ast
from pathlib import Path

import mirror

PACKAGE = Path(mirror.__file__).parent

MAY_IMPORT: dict[str, set[str]] = {}
