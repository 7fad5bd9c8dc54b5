"""Commits a bound INSERT of few plain rows as one edit, without a transaction: no snapshot, nothing to undo.

It is taken only where a transaction could do nothing else: all values are placeholders, what is left out is NULL, every
column has a plain type, and of ON CONFLICT there is nothing or all of the new row. The committer checks the keys, as it
does at any COMMIT. Whatever is refused is left to the transaction too, which sees what others did, or says what is
wrong. So there is one place for errors, and this one has none of its own.
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
from flight_server.sql.change.row_conversion import checked_rows, keys_of
from flight_server.sql.change.upsert import takes_all_from_new
from flight_server.sql.context.same_object import SameObject
from flight_server.sql.scopes.statement_run import Execution, StatementRun
from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE, TableName
from storage.catalog.schema import Column, TableDef, TableKind
from storage.catalog.users import Privilege
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated, InvalidRequest

ROWS_MAX: Final = 1000
BYTES_MAX: Final = 64 << 10  # so little that it counts for no limit but the upload's
COLUMNS_MAX: Final = 100  # of the table, which a plan holds
TEXT_CHARACTERS_MAX: Final = 4096  # of the statement, which it holds too
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
    """What can be known of a statement on a table before its values come.

    places: for each column of the table the place of its value among the bound ones; None = it is left out
    needs:  on the table, as `permissions.needed` says
    """

    table: TableDef
    places: tuple[int | None, ...]
    is_upsert: bool
    needs: tuple[Privilege, ...]


def insert_at_once(execution: Execution, run: StatementRun, batches: Sequence[pa.RecordBatch]) -> int | None:
    """The rows stored, durable as the session asks; None, and nothing was, where it takes a transaction.

    Raises LimitExceeded, Cancelled, StorageUnavailable (outcome unknown), ClockRefused, PermissionDenied (no such user
    any more).
    """
    session, engine = run.session, execution.services.engine
    if len(batches) != 1 or not _is_small(run.request.sql, batches[0]) or session.temporary.state.tables:
        return None
    if execution.scopes.transactions.joined(session, run.request.transaction_id) is not None:
        return None
    plan = _plan(run.statement, session.namespace, engine.state.catalog)
    columns = None if plan is None else _columns(plan, batches[0])
    if plan is None or columns is None or not _is_allowed(execution, session, plan):
        return None
    try:
        return _stored(engine, run, plan, columns, batches[0].num_rows)
    except (Conflict, ConstraintViolated, InvalidRequest):
        return None


def insert_plan(table: TableDef, statement: object) -> InsertPlan | None:
    """None where a transaction is needed."""
    places = bound_places(statement) if isinstance(statement, Insert) else None
    if places is None or not isinstance(statement, Insert) or statement.overriding is not None:
        return None
    if table.kind is TableKind.USER or not all(_is_plain(column) for column in table.columns):
        return None
    conflict = statement.on_conflict
    if conflict is not None and (table.kind is not TableKind.SHARED or not _replaces_all(table, conflict)):
        return None
    names = statement.columns or tuple(column.name for column in table.columns)
    given = dict(zip(names, places, strict=False))
    if not len(names) == len(places) == len(given) or not given.keys() <= {column.name for column in table.columns}:
        return None
    if any(column.default_sql is not None for column in table.columns if column.name not in given):
        return None
    in_order = tuple(given.get(column.name) for column in table.columns)
    return InsertPlan(table, in_order, conflict is not None, _INSERT if conflict is None else _UPSERT)


def _is_small(sql: str, batch: pa.RecordBatch) -> bool:
    return (
        len(sql) <= TEXT_CHARACTERS_MAX
        and 0 < batch.num_rows <= ROWS_MAX
        and batch.get_total_buffer_size() <= BYTES_MAX
    )


def _plan(statement: object, namespace: str, catalog: Catalog) -> InsertPlan | None:
    if not isinstance(statement, Insert):
        return None
    name = TableName(statement.table.namespace or namespace or DEFAULT_NAMESPACE, statement.table.table)
    table = catalog.tables.get(name)
    if table is None or len(table.columns) > COLUMNS_MAX:
        return None
    return _kept_plan(SameObject(table), SameObject(statement))


@lru_cache(maxsize=_PLANS_MAX)
def _kept_plan(table: SameObject[TableDef], statement: SameObject[Insert]) -> InsertPlan | None:
    return insert_plan(table.value, statement.value)


def _is_plain(column: Column) -> bool:
    return column.identity is None and any(is_so(column.type) for is_so in _PLAIN)


def _replaces_all(table: TableDef, conflict: OnConflict) -> bool:
    """ON CONFLICT (key) DO UPDATE with every other column as it is in the new row."""
    is_by_key = bool(table.primary_key) and set(conflict.columns) == set(table.primary_key)
    return is_by_key and bool(conflict.assignments) and takes_all_from_new(table, conflict)


def _is_allowed(execution: Execution, session: Session, plan: InsertPlan) -> bool:
    rights, catalog = execution.scopes.rights(session), execution.services.engine.state.catalog
    return all(rights.may(need, plan.table.name, catalog) for need in plan.needs)


def _columns(plan: InsertPlan, batch: pa.RecordBatch) -> dict[str, pa.Array] | None:
    """The values of each column; None if some are of a type that the engine would have to read."""
    columns = {}
    for column, place in zip(plan.table.columns, plan.places, strict=True):
        values = pa.nulls(batch.num_rows, column.type) if place is None else batch.column(place)
        if values.type != column.type and not (_is_number(values.type) and _is_number(column.type)):
            return None
        columns[column.name] = values
    return columns


def _is_number(kind: pa.DataType) -> bool:
    return any(is_so(kind) for is_so in _NUMBERS)


def _stored(
    engine: Engine, run: StatementRun, plan: InsertPlan, columns: Mapping[str, pa.Array], count: int
) -> int | None:
    rows = checked_rows(plan.table, columns, count)
    keys = tuple(keys_of(plan.table, rows))
    if run.running.is_stopped():
        return None
    engine.wait_for_room(run.running.is_stopped, plan.table.kind)
    is_durable = run.session.durability == "full"
    committed = engine.direct_inserts.insert(plan.table, rows, keys, replaces=plan.is_upsert, durable=is_durable)
    return 0 if committed.discarded else count
