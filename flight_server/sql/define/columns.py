"""Column definitions: names, types, defaults, checked once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
import pyarrow as pa

from flight_server.parser.statements.definitions import ColumnSpec
from flight_server.parser.text.lexer import lex
from flight_server.parser.text.types import sql_type_name
from flight_server.query.results.client_types import client_type, text_metadata
from flight_server.sql.change.filled_defaults import default_array
from flight_server.sql.change.row_conversion import cast_column
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.names import TableName, checked_column, table_name
from storage.catalog.schema import Column, TableDef
from storage.cold.parquet_types import is_storable
from storage.errors import InvalidRequest, LimitExceeded, NotFound, NotSupported
from storage.primary_keys.encoding import check_key_type
from storage.state.nested_nulls import cleared

_METADATA_BYTES_MAX: Final = 64 << 10
_OF_RESULTS: Final = b"ARROW:FLIGHT:SQL:"
_NOT_WORD = re.compile(r"\W", re.ASCII)


def new_column(spec: ColumnSpec, taken: Sequence[str], physical_taken: set[str]) -> Column:
    """Raises InvalidRequest (name), NotSupported (type)."""
    checked_column(spec.name)
    if spec.name in taken:
        raise InvalidRequest(f"column '{spec.name}' is named twice", sqlstate="42701")
    if not is_storable(spec.type):
        raise NotSupported(f"column '{spec.name}' has type {spec.type}, which tables can't hold")
    return Column(
        name=spec.name,
        physical_name=_physical_name(spec.name, physical_taken),
        type=spec.type,
        sql_type=spec.sql_type,
        nullable=spec.nullable,
        default_sql=spec.default_sql,
        metadata=spec.metadata,
        identity=spec.identity,
    )


def check_default(context: StatementContext, table: TableDef, column: Column) -> pa.Array | None:
    """The DEFAULT as one value, cast to the column. Raises InvalidRequest."""
    if column.default_sql is None:
        return None
    if any(token.key == "SELECT" for token in lex(column.default_sql)):
        raise InvalidRequest(f"the DEFAULT of column '{column.name}' can't be a query", sqlstate="42P17")
    try:
        return cast_column(table, column, cleared(default_array(context, column, 1)))
    except (InvalidRequest, NotFound) as error:
        raise InvalidRequest(
            f"the DEFAULT of column '{column.name}' can't be used: {error.message}", sqlstate="42P17"
        ) from None


def columns_of_schema(schema: pa.Schema) -> tuple[ColumnSpec, ...]:
    """Columns as a query or a bulk ingest brings them, in the types that answers will show."""
    return tuple(ColumnSpec(f.name, client_type(f.type), sql_type_name(f.type), metadata=_metadata(f)) for f in schema)


def _metadata(field: pa.Field) -> tuple[tuple[bytes, bytes], ...]:
    """What the column keeps: all but what a server says of its results. Raises LimitExceeded."""
    kept = tuple((key, text) for key, text in (text_metadata(field) or {}).items() if not key.startswith(_OF_RESULTS))
    size = sum(len(key) + len(text) for key, text in kept)
    if size > _METADATA_BYTES_MAX:
        raise LimitExceeded(
            f"column '{field.name}' has {size} bytes of metadata; at most {_METADATA_BYTES_MAX} are kept",
            sqlstate="54000",
        )
    return kept


def writable_name(name: TableName) -> TableName:
    """Raises InvalidRequest for bad names and the system's namespaces."""
    if name.is_reserved:
        raise InvalidRequest(
            f"namespace '{name.namespace}' is the system's own; what is in it can only be read", sqlstate="42939"
        )
    return table_name(name.namespace, name.table)


def key_column(column: Column) -> Column:
    """The column as part of a primary key. Raises InvalidRequest for types that can't be."""
    check_key_type(column.type, column.name)
    return msgspec.structs.replace(column, nullable=False)


def _physical_name(name: str, taken: set[str]) -> str:
    """Plain characters only, and never one that was used before."""
    stem = _NOT_WORD.sub("_", name).lstrip("_") or "column"
    chosen, number = stem, 2
    while chosen in taken:
        chosen, number = f"{stem}_{number}", number + 1
    return chosen
