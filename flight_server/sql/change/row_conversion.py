"""Row conversion makes rows that a table takes of columns of a result: cast, filled up, checked.

A `RecordBatch` that comes out of here keeps every promise of its table but the primary key's uniqueness, which
only a commit can check. Nothing lies beneath its NULLs, see `storage.state.nested_nulls`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from flight_server.parser.text.declared_types import as_declared
from flight_server.query.errors.messages import unquoted
from flight_server.query.results.client_types import is_narrow_float
from storage.catalog.schema import SYSTEM_COLUMNS, Column, TableDef
from storage.errors import ConstraintViolated, InvalidRequest
from storage.primary_keys.encoding import encode_keys
from storage.state.casts import cast
from storage.state.nested_nulls import cleared

_OUT_OF_RANGE: Final = re.compile(r"overflow|range|precision|out of bounds", re.IGNORECASE)


def target_columns(table: TableDef, names: tuple[str, ...] | None) -> tuple[Column, ...]:
    """The columns that an INSERT names, all when it names none. Raises InvalidRequest."""
    if names is None:
        return table.columns
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"column '{repeated}' is named twice", sqlstate="42701")
    return tuple(target_column(table, name) for name in names)


def target_column(table: TableDef, name: str) -> Column:
    """A column that may be written. Raises InvalidRequest."""
    if name in SYSTEM_COLUMNS:
        raise InvalidRequest(f"system column '{name}' can't be written", sqlstate="428C9")
    column = table.column(name)
    if column is None:
        known = ", ".join(c.name for c in table.columns[:20])
        raise InvalidRequest(f"table '{table.name}' has no column '{name}' (it has {known})", sqlstate="42703")
    return column


def checked_rows(table: TableDef, columns: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
    """`columns` (logical name -> array of `rows` values, every column of the table) as physical rows.

    Raises InvalidRequest (a value does not fit its type), ConstraintViolated (NULL where none may be).
    """
    arrays = [_checked(table, column, columns[column.name]) for column in table.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=table.physical_schema) if arrays else _no_columns(rows)


def keys_of(table: TableDef, batch: pa.RecordBatch) -> list[bytes]:
    """Encoded primary keys of physical rows; [] for a table without. Raises ConstraintViolated (NULL)."""
    if not table.primary_key:
        return []
    return encode_keys([batch.column(c.physical_name) for c in table.key_columns], list(table.primary_key))


def logical(table: TableDef, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Physical rows as statements see them."""
    return pa.RecordBatch.from_arrays(
        batch.columns, schema=pa.schema([c.field.with_nullable(True) for c in table.columns])
    )


def cast_column(table: TableDef, column: Column, values: pa.Array) -> pa.Array:
    """Raises InvalidRequest naming the column and both types."""
    if values.type == column.type:
        return values
    try:
        return _cast(values, column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError) as error:
        raise InvalidRequest(
            f"a value for column '{column.name}' of table '{table.name}' does not fit {column.sql_type}: "
            f"{_short(error)}",
            sqlstate="22003" if _OUT_OF_RANGE.search(unquoted(str(error))) else "22P02",
        ) from None


def _cast(values: pa.Array, to: pa.DataType) -> pa.Array:
    if is_narrow_float(to):
        return _to_narrow_float(values, to)
    if pa.types.is_integer(values.type) and pa.types.is_decimal(to):
        # In one step Arrow refuses whatever the widest integer would not fit into, without looking at the values.
        return values.cast(pa.decimal256(20, 0)).cast(to)
    return cast(values, to)


def _to_narrow_float(values: pa.Array, data_type: pa.DataType) -> pa.Array:
    wide = values.cast(pa.float64(), safe=False)
    narrow = wide.cast(data_type, safe=False)
    finite = pc.is_finite(narrow if pa.types.is_float32(data_type) else narrow.cast(pa.float32()))
    lost = pc.and_(pc.is_finite(wide), pc.invert(finite))
    if pc.any(lost).as_py():
        raise pa.ArrowInvalid(f"{wide.filter(lost)[0].as_py()} is out of range")
    return narrow


def _checked(table: TableDef, column: Column, values: pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    values = cast_column(table, column, cleared(values))
    if values.null_count and not column.nullable:
        raise ConstraintViolated(f"column '{column.name}' of table '{table.name}' must not be NULL", sqlstate="23502")
    return as_declared(table, column, values)


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:160]


def _no_columns(rows: int) -> pa.RecordBatch:
    raise InvalidRequest(f"{rows} rows without columns can't be stored", sqlstate="42P16")
