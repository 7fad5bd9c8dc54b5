"""Scripts tell somebody else how to make a table: SQL to be typed, and where its rows lay in the mixed state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa

from tests.second_opinion.tables import DEAD_ID, Place, Table


def script(table: Table) -> Iterator[str]:
    """In the order of the mixed state; without its comments it is hot, with FLUSH TABLE at the end cold."""
    yield f"{table.sql.replace(' OR REPLACE', '')};"
    types = list(table.columns.values())
    for place in Place:
        rows = [row for row in table.rows if row.place is place]
        if rows:
            told = ", ".join(f"({', '.join(map(literal, row.values, types))})" for row in rows)
            yield f"INSERT INTO {table.name} VALUES {told};{'' if place is Place.HOT else '  -- mixed: FLUSH TABLE'}"
    if table.live != table.rows:
        yield f"DELETE FROM {table.name} WHERE id >= {DEAD_ID};"


def literal(value: object, type_: str) -> str:
    """As Frostline reads it. A NULL struct has values under it only if it is loaded."""
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return f"CAST('{value}' AS {type_})"
    if isinstance(value, Decimal):
        return f"CAST('{value}' AS {type_})"
    if isinstance(value, dt.datetime):
        return f"'{value.isoformat(' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value}'"
    if isinstance(value, pa.MonthDayNano):
        months, days, nanos = value
        return f"INTERVAL '{months} months {days} days {nanos // 3_600_000_000_000} hours'"
    if isinstance(value, dict):
        return f"{{a: {literal(value['a'], 'INT')}, y: {literal(value['y'], 'VARCHAR')}}}"
    if isinstance(value, list):
        return f"[{', '.join(literal(each, 'INT') for each in value)}]"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value).lower()
