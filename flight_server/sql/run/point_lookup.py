"""Point lookups are statements that read one row by its key: `SELECT .. FROM t WHERE id = 5`.

Of table t, only rows whose `id` is 5 can matter to such a statement, whatever it selects; so it may be run over just
these. Only the plainest form is taken, by its look: names and stars, one table, one comparison with an integer, a text
or a parameter. Everything else is planned over the whole table, which is never wrong.

Where what it selects are plain columns, the row that was looked up is the answer, and no engine is asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import pyarrow as pa

from flight_server.parser.dialect.session_words import CALLED
from flight_server.query.scan.scope import QueryScope
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.names import TableName
from storage.catalog.schema import SYSTEM_COLUMNS, TableDef

_NAME: Final = r"[A-Za-z_]\w*"
# Nothing is given back (`++`): a text that is none of these is told so in one pass.
_POINT: Final = re.compile(
    rf"\s*+SELECT\s++(?P<items>(?:(?!\bFROM\b)[\w\s,.*])++)(?<=\s)FROM\s++(?:(?P<namespace>{_NAME})\.)?(?P<table>{_NAME})"
    rf"\s++WHERE\s++(?P<column>{_NAME})\s*+=\s*+"
    r"(?:(?P<integer>-?[0-9]{1,18})|'(?P<text>[^'\\]*+)'|\$(?P<parameter>[0-9]++))\s*+;?\s*+",
    re.IGNORECASE | re.ASCII,
)
_BARE: Final = re.compile(_NAME, re.ASCII)
_INTEGERS: Final = frozenset(
    {pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()}
)
_TEXTS: Final = frozenset({pa.string(), pa.large_string()})
STAR: Final = ("*",)
ITEMS_CHARACTERS_MAX: Final = 4096  # longer lists are not kept, and so left to the engine
# Without quotes the engine, or `session_words` before it, reads something else in these than the name of a column or
# table. All others of 1,156 key words are names where a name may stand.
_NO_NAMES: Final = frozenset(word.lower() for word in CALLED) | {
    *("all", "current_date", "current_time", "current_timestamp", "distinct", "exists", "false", "from", "interval"),
    *("lateral", "not", "null", "struct", "table", "top", "trim", "true", "unnest"),
}


@dataclass(frozen=True, slots=True)
class PointRead:
    """namespace: None = the session's; value: an int or a str, as it stands in the text or is bound.

    columns: what is selected, where that is columns by their bare names, each once, or STAR; None = anything else
    """

    namespace: str | None
    table: str
    column: str
    value: int | str
    columns: tuple[str, ...] | None = None

    def name(self, namespace: str) -> TableName:
        return TableName(self.namespace or namespace, self.table)

    def fits(self, table: TableDef) -> bool:
        """Whether the column is the whole primary key, and of the value's own kind: nothing is converted."""
        if table.primary_key != (self.column,):
            return False
        kinds = _INTEGERS if isinstance(self.value, int) else _TEXTS
        return table.key_columns[0].type in kinds


def point_read(sql: str, params: Mapping[str, pa.Scalar]) -> PointRead | None:
    """None for every statement that does not look just so."""
    found = _POINT.fullmatch(sql)
    if found is None or any(name in found["items"].lower() for name in SYSTEM_COLUMNS):
        return None
    value = _value(found, params)
    if value is None:
        return None
    names = [part and part.lower() for part in found.group("namespace", "table", "column")]
    is_plain = len(found["items"]) <= ITEMS_CHARACTERS_MAX and not _NO_NAMES.intersection(names)
    columns = _columns(found["items"]) if is_plain else None
    return PointRead(names[0], names[1], names[2], value, columns)


def scope_of(context: StatementContext, wanted: PointRead | None) -> QueryScope:
    """What the query may see; of the table that it reads by key just that row, if that can be found without a scan."""
    if wanted is None:
        return context.scope()
    name = wanted.name(context.namespace)

    def row(asked: TableName) -> pa.RecordBatch | None:
        table = context.catalog.tables.get(asked)
        if asked != name or table is None or not wanted.fits(table):
            return None
        return context.services.engine.rows.row(context.transaction.state, context.own(table), wanted.value)

    return replace(context.scope(), only=row)


@lru_cache(maxsize=512)
def _columns(items: str) -> tuple[str, ...] | None:
    names = tuple(item.strip() for item in items.lower().split(","))
    if names == STAR:
        return names
    are_plain = all(_BARE.fullmatch(name) and name not in _NO_NAMES for name in names)
    return names if are_plain and len(set(names)) == len(names) else None


def _value(found: re.Match[str], params: Mapping[str, pa.Scalar]) -> int | str | None:
    if found["integer"] is not None:
        return int(found["integer"])
    if found["text"] is not None:
        return found["text"]
    bound = params.get(found["parameter"])
    if bound is None or bound.type not in _INTEGERS | _TEXTS:
        return None
    value: int | str | None = bound.as_py()
    return value
