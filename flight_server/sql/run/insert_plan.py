"""InsertPlan is what can be known of plain rows for a table before they come: where each value goes, and which rights.

There is one only where a transaction could do nothing else than put the rows in: what is left out is NULL, every column
has a plain type, and of ON CONFLICT there is nothing or all of the new row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.types as arrow

from flight_server.access.sessions.session import Session
from flight_server.parser.statements.changes import Insert, OnConflict
from flight_server.sql.change.execute_many import bound_places
from flight_server.sql.change.upsert import takes_all_from_new
from flight_server.sql.context.same_object import SameObject
from flight_server.sql.scopes.statement_run import Execution
from storage.catalog.schema import Column, TableDef, TableKind
from storage.catalog.users import Privilege

ROWS_MAX: Final = 1000
BYTES_MAX: Final = 64 << 10  # so little that it counts for no limit but the upload's
COLUMNS_MAX: Final = 100  # of the table, which a kept plan holds
_PLANS_MAX: Final = 512
_INSERT: Final = (Privilege.INSERT,)
_UPSERT: Final = (Privilege.INSERT, Privilege.SELECT, Privilege.UPDATE)
_NUMBERS: Final = (arrow.is_integer, arrow.is_floating, arrow.is_decimal128)
_PLAIN: Final[tuple[Callable[[pa.DataType], bool], ...]] = (
    *(*_NUMBERS, arrow.is_boolean, arrow.is_string, arrow.is_binary),
    *(arrow.is_date, arrow.is_time, arrow.is_timestamp),
)


@dataclass(frozen=True, slots=True)
class InsertPlan:
    """Of rows for one table.

    places: for each column of the table the place of its value among the given ones; None = it is left out
    needs:  on the table, as `permissions.needed` says
    """

    table: TableDef
    places: tuple[int | None, ...]
    is_upsert: bool
    needs: tuple[Privilege, ...]

    def takes(self, schema: pa.Schema) -> bool:
        """Whether values of these types need nobody to read them."""
        places = zip(self.table.columns, self.places, strict=True)
        return all(place is None or _is_taken(schema.field(place).type, column.type) for column, place in places)

    def columns(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The values of each column by its logical name; `takes` has said that they fit."""
        return {
            column.name: pa.nulls(batch.num_rows, column.type) if place is None else batch.column(place)
            for column, place in zip(self.table.columns, self.places, strict=True)
        }


def is_small(batch: pa.RecordBatch) -> bool:
    """Whether its rows may be put in without a transaction, which counts them."""
    return 0 < batch.num_rows <= ROWS_MAX and batch.get_total_buffer_size() <= BYTES_MAX


def insert_plan(table: TableDef, statement: object) -> InsertPlan | None:
    """Of a bound INSERT; None where a transaction is needed."""
    if not isinstance(statement, Insert) or len(table.columns) > COLUMNS_MAX:
        return None
    return _kept_plan(SameObject(table), SameObject(statement))


@lru_cache(maxsize=_PLANS_MAX)
def _kept_plan(table: SameObject[TableDef], insert: SameObject[Insert]) -> InsertPlan | None:
    return _insert_plan(table.value, insert.value)


def _insert_plan(table: TableDef, insert: Insert) -> InsertPlan | None:
    places, conflict = bound_places(insert), insert.on_conflict
    if places is None or insert.overriding is not None:
        return None
    if conflict is not None and (table.kind is not TableKind.SHARED or not _replaces_all(table, conflict)):
        return None
    names = insert.columns or tuple(column.name for column in table.columns)
    return None if len(names) != len(places) else _plan(table, names, places, is_upsert=conflict is not None)


def append_plan(table: TableDef, names: Sequence[str]) -> InsertPlan | None:
    """Of rows that have these columns; None where a transaction is needed."""
    return _plan(table, names, range(len(names)), is_upsert=False)


def is_allowed(execution: Execution, session: Session, plan: InsertPlan) -> bool:
    """By the rights of now. Raises PermissionDenied (no such user any more)."""
    rights, catalog = execution.scopes.rights(session), execution.services.engine.state.catalog
    return all(rights.may(need, plan.table.name, catalog) for need in plan.needs)


def _plan(table: TableDef, names: Sequence[str], places: Sequence[int], *, is_upsert: bool) -> InsertPlan | None:
    if table.kind is TableKind.USER or not all(_is_plain(column) for column in table.columns):
        return None
    given: Mapping[str, int] = dict(zip(names, places, strict=True))
    if len(given) != len(names) or not given.keys() <= {column.name for column in table.columns}:
        return None
    if any(column.default_sql is not None for column in table.columns if column.name not in given):
        return None
    in_order = tuple(given.get(column.name) for column in table.columns)
    return InsertPlan(table, in_order, is_upsert, _UPSERT if is_upsert else _INSERT)


def _is_plain(column: Column) -> bool:
    return column.identity is None and any(is_so(column.type) for is_so in _PLAIN)


def _replaces_all(table: TableDef, conflict: OnConflict) -> bool:
    """ON CONFLICT (key) DO UPDATE with every other column as it is in the new row."""
    is_by_key = bool(table.primary_key) and set(conflict.columns) == set(table.primary_key)
    return is_by_key and bool(conflict.assignments) and takes_all_from_new(table, conflict)


def _is_taken(given: pa.DataType, wanted: pa.DataType) -> bool:
    return bool(given == wanted) or (_is_number(given) and _is_number(wanted))


def _is_number(kind: pa.DataType) -> bool:
    return any(is_so(kind) for is_so in _NUMBERS)
