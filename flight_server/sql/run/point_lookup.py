"""Point lookups are statements that read one row by its key: `SELECT .. FROM t WHERE id = 5`.

Of table t, only rows whose `id` is 5 can matter to such a statement, whatever it selects; so it may be run over just
these. Only the plainest form is taken, by its look: names and stars, one table, one comparison with an integer, a text
or a parameter. Everything else is planned over the whole table, which is never wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import pyarrow as pa

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
_INTEGERS: Final = frozenset(
    {pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()}
)
_TEXTS: Final = frozenset({pa.string(), pa.large_string()})


@dataclass(frozen=True, slots=True)
class PointRead:
    """namespace: None = the session's; value: an int or a str, as it stands in the text or is bound."""

    namespace: str | None
    table: str
    column: str
    value: int | str

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
    namespace = found["namespace"]
    return PointRead(namespace and namespace.lower(), found["table"].lower(), found["column"].lower(), value)


def scope_of(context: StatementContext, sql: str, params: Mapping[str, pa.Scalar]) -> QueryScope:
    """What the query may see; of the table that it reads by key just that row, if that can be found without a scan."""
    wanted = point_read(sql, params)
    if wanted is None or not context.transaction.is_empty:
        return context.scope()
    name = wanted.name(context.namespace)

    def row(asked: TableName) -> pa.RecordBatch | None:
        table = context.catalog.tables.get(asked)
        if asked != name or table is None or not wanted.fits(table):
            return None
        return context.services.engine.rows.row(context.transaction.state, context.own(table), wanted.value)

    return replace(context.scope(), only=row)


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
