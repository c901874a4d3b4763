"""Many rows in one step of SQLite.

At each step the driver hands the interpreter to another thread and then has to win it back. A row a step, which is what
``executemany`` and ``fetchall`` do, made the threads of a run wake each other seventeen times for every photo.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

_CHUNKS = (100, 10, 1)
"""Rows in one statement: few sizes, so that the driver need not prepare it again."""


def change(connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]]) -> int:
    """Run a statement over rows that are all of one length; returns how many rows it changed.

    Args:
        statement: Holds ``{rows}`` behind ``VALUES``.
    """
    changed, at = 0, 0
    for size in _CHUNKS:
        while len(rows) - at >= size:
            chunk = rows[at : at + size]
            row = f"({', '.join('?' * len(chunk[0]))})"
            values = [value for each in chunk for value in each]
            changed += connection.execute(statement.replace("{rows}", ", ".join([row] * size)), values).rowcount
            at += size
    return changed


def read(connection: sqlite3.Connection, columns: str, source: str, values: Any) -> list[list[Any]]:
    """Read rows as lists, in no order.

    Args:
        columns: Expressions, none of which is a blob: ``hex()`` makes text of one.
        source: All from ``FROM`` on.
    """
    found = connection.execute(f"SELECT json_group_array(json_array({columns})) {source}", values).fetchone()
    rows: list[list[Any]] = json.loads(found[0])
    return rows
