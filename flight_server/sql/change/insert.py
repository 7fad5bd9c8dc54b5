"""INSERT takes rows from VALUES, a SELECT or bound parameters, with ON CONFLICT and RETURNING."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flight_server.parser.statements.changes import DefaultRow, Insert, QueryRows, ValuesRows
from flight_server.query.errors.casts import naming_columns, unusable
from flight_server.query.results.slices import Rows, slices
from flight_server.query.results.written_out import NULL_BYTES, widest_bytes
from flight_server.sql.change.change_sql import Target
from flight_server.sql.change.change_stage import Changed, Repeats, StagedChange, returned
from flight_server.sql.change.filled_defaults import default_values
from flight_server.sql.change.identity import columns_taken, rows_taken
from flight_server.sql.change.row_conversion import checked_rows, target_column, target_columns
from flight_server.sql.change.upsert import conflict_columns, upsert
from flight_server.sql.context.literal_values import literal_array
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.names import RESERVED_PREFIX
from storage.catalog.schema import Column, TableDef
from storage.errors import Cancelled, InvalidRequest

_GIVEN: Final = f"{RESERVED_PREFIX}_given"
_NUMBER: Final = re.compile(r"\s*+([-+]?)\s*+(\d*+)\.?(\d*+)\s*+", re.ASCII)
_DECIMAL_DIGITS_MAX: Final = 38


def insert_rows(context: StatementContext, to: Target, change: Insert) -> Changed:
    """Run one INSERT. Raises as `run_change`."""
    return insert_batches(context, to, change, new_rows(context, to.table, change))


def insert_batches(context: StatementContext, to: Target, change: Insert, batches: Iterator[pa.RecordBatch]) -> Changed:
    """Put `batches` (physical, checked) in, as the statement's ON CONFLICT and RETURNING say."""
    keep = change.returning_sql is not None
    with StagedChange(context, to.table, repeats=Repeats.REFUSED, keep_new=keep) as staged:
        if change.on_conflict is not None and conflict_columns(to.table, change.on_conflict):
            for batch in batches:
                upsert(context, to, change.on_conflict, batch, staged)
        else:
            for batch in batches:
                staged.add_rows(batch)
        result = returned(context, to, change.returning_sql, staged.kept)
        return Changed(staged.apply(), result)


def new_rows(context: StatementContext, table: TableDef, change: Insert) -> Iterator[pa.RecordBatch]:
    """The statement's rows, physical and checked."""
    columns = target_columns(table, change.columns)
    match change.source:
        case DefaultRow():
            yield from full_rows(context, table, {}, 1)
        case ValuesRows(rows):
            rows = rows_taken(table, columns, rows, change.overriding)
            yield from _values(context, table, _as_wide(table, columns, rows), rows)
        case QueryRows(sql):
            taken = columns_taken(table, columns, change.overriding)
            yield from _selected(context, table, columns, taken, sql)


def full_rows(
    context: StatementContext,
    table: TableDef,
    given: Mapping[str, pa.Array],
    rows: int,
    left_out: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Iterator[pa.RecordBatch]:
    """`given` columns by logical name, the others by their DEFAULT or NULL; checked, in slices.

    left_out: of given columns, whether a row has their DEFAULT instead
    Raises InvalidRequest, ConstraintViolated, Cancelled.
    """
    beside = {c.name: default_values(context, c) for c in table.columns if c.name not in given or c.name in left_out}
    row_bytes = sum(values.row_bytes for values in beside.values())
    for start, stop in slices(Rows(list(given.values()), rows, row_bytes, partial(_null_bytes, table, given))):
        if context.cancelled():
            raise Cancelled("the statement was cancelled; nothing was stored")
        part = {name: values.slice(start, stop - start) for name, values in given.items()}
        columns = {
            c.name: _readable(context, table, c, part[c.name]) if c.name in part else beside[c.name].make(stop - start)
            for c in table.columns
        }
        for name, missing in left_out.items():
            columns[name] = _filled(table, name, columns[name], beside[name].make(stop - start), missing[start:stop])
        yield checked_rows(table, columns, stop - start)


def _null_bytes(table: TableDef, given: Mapping[str, pa.Array]) -> float:
    """The most that a value of the type null can become in one of the columns."""
    return max((widest_bytes(c.type) for c in table.columns if c.name in given), default=NULL_BYTES)


def _filled(table: TableDef, name: str, values: pa.Array, default: pa.Array, missing: np.ndarray) -> pa.Array:
    column = target_column(table, name)
    return pc.if_else(pa.array(missing), default.cast(column.type), values)


def _readable(context: StatementContext, table: TableDef, column: Column, values: pa.Array) -> pa.Array:
    """Text for a column that is none is read by the engine, so that it may look as it may in a statement."""
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    to_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    to_interval = pa.types.is_interval(column.type) and values.type != column.type
    if not (to_interval or (is_text and not to_text)) or isinstance(column.type, pa.BaseExtensionType):
        return values
    rows = pa.table({"c0": values, "n": pa.array(np.arange(len(values)))})
    try:
        found = context.collect(f'SELECT c0 FROM "{_GIVEN}" ORDER BY n', {"c0": column.type}, {_GIVEN: rows})
    except InvalidRequest as error:
        raise unusable(table, column, error) from None
    return found.column(0).combine_chunks()


def _as_wide(table: TableDef, columns: tuple[Column, ...], rows: Sequence[Sequence[str | None]]) -> tuple[Column, ...]:
    """The columns that the rows fill: without a list, fewer values than columns fill the first ones."""
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise InvalidRequest(
                f"row {number} of VALUES has {len(row)} values, the first has {width}", sqlstate="42601"
            )
    if width > len(columns):
        raise InvalidRequest(
            f"the statement gives {width} values for {len(columns)} columns of table '{table.name}'", sqlstate="42601"
        )
    if width < len(columns):
        raise InvalidRequest(
            f"the statement gives {width} values for {len(columns)} columns of table '{table.name}'; name the columns",
            sqlstate="42601",
        )
    return columns


def _values(
    context: StatementContext, table: TableDef, columns: tuple[Column, ...], rows: Sequence[Sequence[str | None]]
) -> Iterator[pa.RecordBatch]:
    given = _bound_row(context, columns, rows) or _literal_rows(columns, rows)
    if given:
        yield from full_rows(context, table, given, len(rows))
        return
    texts = ", ".join(f"({', '.join(map(_value_text, row, columns))})" for row in rows)
    names = ", ".join(f"c{i}" for i in range(len(columns)))
    found = _evaluated(context, table, columns, f"(VALUES {texts}) AS v({names})")
    given = {c.name: found.column(i).combine_chunks() for i, c in enumerate(columns)}
    missing = {c.name: np.array([row[index] is None for row in rows]) for index, c in enumerate(columns)}
    left_out = {name: places for name, places in missing.items() if places.any()}
    yield from full_rows(context, table, given, len(rows), left_out)


def _value_text(item: str | None, column: Column) -> str:
    """A number with a point, or beyond 64 bits, is a double to the engine; in a decimal it must keep its digits."""
    if item is None:
        return "NULL"
    found = _NUMBER.fullmatch(item) if pa.types.is_decimal(column.type) else None
    if found is None or not 0 < (digits := len(found[2]) + len(found[3])) <= _DECIMAL_DIGITS_MAX:
        return item
    return f"CAST('{found[1]}{found[2]}.{found[3]}' AS DECIMAL({digits}, {len(found[3])}))"


def _evaluated(context: StatementContext, table: TableDef, columns: tuple[Column, ...], source: str) -> pa.Table:
    """c0.. of `source` in the columns' types. An error names the column that it is about."""
    types = {f"c{i}": column.type for i, column in enumerate(columns)}
    try:
        return context.collect(f"SELECT * FROM {source}", types)
    except InvalidRequest:
        context.collect(f"SELECT * FROM {source}")  # raises as above if it is not the cast that failed
        for (name, data_type), column in zip(types.items(), columns, strict=True):
            try:
                context.collect(f"SELECT {name} FROM {source}", {name: data_type})
            except InvalidRequest as error:
                raise unusable(table, column, error) from None
        raise


def _bound_row(
    context: StatementContext, columns: tuple[Column, ...], rows: Sequence[Sequence[str | None]]
) -> dict[str, pa.Array] | None:
    """One row of nothing but placeholders needs no engine."""
    if context.params is None or len(rows) != 1:
        return None
    names = [(item or "").strip() for item in rows[0]]
    if not all(name.startswith("$") and name[1:] in context.params for name in names):
        return None
    return {c.name: pa.array([context.params[n[1:]]]) for c, n in zip(columns, names, strict=True)}


def _literal_rows(columns: tuple[Column, ...], rows: Sequence[Sequence[str | None]]) -> dict[str, pa.Array] | None:
    """Rows of nothing but plain literals need no engine either."""
    given: dict[str, pa.Array] = {}
    for index, column in enumerate(columns):
        values = literal_array([row[index] for row in rows], column.type)
        if values is None:
            return None
        given[column.name] = values
    return given


def _selected(
    context: StatementContext, table: TableDef, wanted: tuple[Column, ...], taken: frozenset[str], sql: str
) -> Iterator[pa.RecordBatch]:
    with naming_columns(table, wanted):
        for batch in context.stream_positional(sql, [c.type for c in wanted], str(table.name)):
            given = {c.name: batch.column(i) for i, c in enumerate(wanted) if c.name in taken}
            yield from full_rows(context, table, given, batch.num_rows)
