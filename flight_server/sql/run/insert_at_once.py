"""Commits a bound INSERT of few plain rows as one edit, without a transaction: no snapshot, nothing to undo.

It is taken only where a transaction could do nothing else, see `insert_plan`. The committer checks the keys, as it does
at any COMMIT. Whatever is refused is left to the transaction too, which sees what others did, or says what is wrong. So
there is one place for errors, and this one has none of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from flight_server.parser.statements.changes import Insert
from flight_server.sql.change.row_conversion import checked_rows, keys_of
from flight_server.sql.run.insert_plan import InsertPlan, insert_plan, is_allowed, is_small
from flight_server.sql.scopes.statement_run import Execution, StatementRun
from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE, TableName
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated, InvalidRequest

TEXT_CHARACTERS_MAX: Final = 4096  # of the statement, which a plan holds


def insert_at_once(execution: Execution, run: StatementRun, batches: Sequence[pa.RecordBatch]) -> int | None:
    """The rows stored, durable as the session asks; None, and nothing was, where it takes a transaction.

    Raises LimitExceeded, Cancelled, StorageUnavailable (outcome unknown), ClockRefused, PermissionDenied (no such user
    any more).
    """
    session, engine = run.session, execution.services.engine
    if len(run.request.sql) > TEXT_CHARACTERS_MAX or len(batches) != 1 or not is_small(batches[0]):
        return None
    if session.temporary.state.tables:
        return None
    if execution.scopes.transactions.joined(session, run.request.transaction_id) is not None:
        return None
    plan = _plan(run.statement, session.namespace, engine.state.catalog)
    if plan is None or not plan.takes(batches[0].schema) or not is_allowed(execution, session, plan):
        return None
    try:
        return _stored(engine, run, plan, batches[0])
    except (Conflict, ConstraintViolated, InvalidRequest):
        return None


def _plan(statement: object, namespace: str, catalog: Catalog) -> InsertPlan | None:
    if not isinstance(statement, Insert):
        return None
    name = TableName(statement.table.namespace or namespace or DEFAULT_NAMESPACE, statement.table.table)
    table = catalog.tables.get(name)
    return None if table is None else insert_plan(table, statement)


def _stored(engine: Engine, run: StatementRun, plan: InsertPlan, batch: pa.RecordBatch) -> int | None:
    rows = checked_rows(plan.table, plan.columns(batch), batch.num_rows)
    keys = tuple(keys_of(plan.table, rows))
    if run.running.is_stopped():
        return None
    engine.wait_for_room(run.running.is_stopped, plan.table.kind)
    is_durable = run.session.durability == "full"
    committed = engine.direct_inserts.insert(plan.table, rows, keys, replaces=plan.is_upsert, durable=is_durable)
    return 0 if committed.discarded else batch.num_rows
