"""Answers a point lookup of plain columns with the row that is stored: no engine plans or runs anything.

It is taken only where the engine could give nothing else: the columns are what the table calls so, and come in the
types that they are stored in. Whatever is not sure of that is left to the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.types as arrow

from flight_server.query.results.result_shape import client_schema
from flight_server.sql.context.same_object import SameObject
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.run.point_lookup import STAR, PointRead
from storage.catalog.names import TableName
from storage.catalog.schema import TableDef, TableKind
from storage.catalog.users import Privilege

# Of these the engine gives what it was given; what else a type can be it may unpack, cast or say otherwise.
_UNCHANGED: Final[tuple[Callable[[pa.DataType], bool], ...]] = (
    *(arrow.is_boolean, arrow.is_integer, arrow.is_floating, arrow.is_decimal128, arrow.is_string),
    *(arrow.is_binary, arrow.is_date, arrow.is_timestamp),
)


@dataclass(frozen=True, slots=True)
class FoundRow:
    """row: one, or none where the key is absent, with the schema that clients see."""

    table: TableName
    row: pa.RecordBatch

    @property
    def schema(self) -> pa.Schema:
        return self.row.schema


def row_by_key(context: StatementContext, wanted: PointRead) -> FoundRow | None:
    """None where the engine is to be asked. Raises PermissionDenied, Corruption."""
    name = wanted.name(context.namespace)
    table = context.catalog.tables.get(name)
    if wanted.columns is None or table is None or context.transaction.has_temporary or not wanted.fits(table):
        return None
    schema = _kept_schema(SameObject(table), wanted.columns)
    if schema is None:
        return None
    context.rights.require(Privilege.SELECT, name, context.transaction.catalog)
    row = context.services.engine.rows.row(context.transaction.state, context.own(table), wanted.value)
    if row is None:
        return None
    return FoundRow(name, pa.RecordBatch.from_arrays([row.column(field.name) for field in schema], schema=schema))


@lru_cache(maxsize=512)
def _kept_schema(table: SameObject[TableDef], columns: tuple[str, ...]) -> pa.Schema | None:
    return answer_schema(table.value, columns)


def answer_schema(table: TableDef, columns: tuple[str, ...]) -> pa.Schema | None:
    """As clients see it, of columns by name or STAR. None where it is not sure that the engine would give them as they
    are stored."""
    known = {column.name: column for column in table.columns}
    chosen = tuple(known) if columns == STAR else columns
    if table.kind is TableKind.STREAM or not known.keys() >= set(chosen):
        return None
    fields = [table.arrow_schema.field(name) for name in chosen]
    are_unchanged = all(not field.metadata and any(is_so(field.type) for is_so in _UNCHANGED) for field in fields)
    return client_schema(pa.schema(fields)) if are_unchanged else None
