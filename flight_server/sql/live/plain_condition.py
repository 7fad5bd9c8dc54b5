"""Plain conditions are comparisons of columns with literals, joined by AND: they are worked out without the engine,
which takes a millisecond to plan one for a row.

They are read from the plan that the engine made of the statement, not from the statement: what a condition means is the
engine's to say, and what is not shown in exactly this way is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as arrow

from storage.catalog.schema import Column, TableDef

_FILTER: Final = re.compile(r"^ *Filter: (.*)$", re.MULTILINE)
# No text of a plain condition holds a quote, see `plain_condition`: so where one begins and ends is certain.
_COMPARISON: Final = re.compile(
    r'(\w+)\.(\w+) (=|!=|<|<=|>|>=) (?:Int64\((-?\d{1,19})\)|Utf8\("([^"]*)"\)|Boolean\((true|false)\))', re.ASCII
)
_AND: Final = " AND "
_OPERATORS: Final[dict[str, Callable[[pa.Array, pa.Scalar], pa.Array]]] = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """column: its physical name"""

    column: str
    operator: str
    value: pa.Scalar


def plain_condition(where_sql: str | None, shown: str, alias: str, table: TableDef) -> tuple[Comparison, ...] | None:
    """All that a row has to meet; None when only the engine can tell.

    shown: the plan as indented text, of a statement with this WHERE over one relation that is called `alias`
    """
    if where_sql is None:
        return ()
    filters = _FILTER.findall(shown)
    if '"' in where_sql or "$" in where_sql or len(filters) != 1:
        return None
    found: list[Comparison] = []
    at, text = 0, filters[0]
    while (match := _COMPARISON.match(text, at)) is not None:
        comparison = _comparison(match, alias, table)
        if comparison is None:
            return None
        found.append(comparison)
        at = match.end()
        if at == len(text):
            return tuple(found)
        if not text.startswith(_AND, at):
            return None
        at += len(_AND)
    return None


def places_of(conditions: tuple[Comparison, ...], rows: pa.RecordBatch) -> np.ndarray:
    """int64: of the physical rows that meet all of them, rising. NULL meets nothing."""
    meets = np.ones(rows.num_rows, dtype=bool)
    for each in conditions:
        answer = _OPERATORS[each.operator](rows.column(each.column), each.value)
        meets &= answer.fill_null(False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(meets)


def _comparison(match: re.Match[str], alias: str, table: TableDef) -> Comparison | None:
    relation, name, operator, number, text, truth = match.groups()
    column = table.column(name)
    if relation != alias or column is None:
        return None
    value = _value(column, number, text, truth)
    return None if value is None else Comparison(column.physical_name, operator, value)


def _value(column: Column, number: str | None, text: str | None, truth: str | None) -> pa.Scalar | None:
    """As the engine compares: whole numbers as such of 64 bits. A double or a decimal would be another comparison."""
    if number is not None and arrow.is_integer(column.type) and column.type != pa.uint64():
        return pa.scalar(int(number), pa.int64())
    if text is not None and arrow.is_string(column.type):
        return pa.scalar(text, pa.string())
    if truth is not None and arrow.is_boolean(column.type):
        return pa.scalar(truth == "true")
    return None
