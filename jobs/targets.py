"""Job targets name what a job works on: a name for people, and the table id that finds the table for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from jobs.executor import Step
from jobs.ledger import JobRecord, Trigger
from jobs.policy import fullest_partitions
from storage.catalog.partition_ids import table_of_partition
from storage.catalog.schema import TableDef
from storage.engine import Engine
from storage.errors import NotFound
from storage.maintenance.flush import is_interval_over, plan_flush
from storage.state.state import DatabaseState, partitions_by_table

DATABASE: Final = "database"
_TABLE_ID: Final = "table_id"


def table_parameters(table: TableDef) -> dict[str, str]:
    """Parameters that `table_of` finds the table by, whatever it is called by then."""
    return {_TABLE_ID: str(table.table_id)}


def table_of(state: DatabaseState, record: JobRecord) -> TableDef:
    """The job's table as it is now. Raises NotFound when it was dropped."""
    table_id = int(record.parameters[_TABLE_ID])
    table = state.catalog.tables_by_id.get(table_id)
    if table is None:
        raise NotFound(f"table '{record.target}' does not exist any more")
    return table


def partitions_to_flush(engine: Engine, table: TableDef, step: Step) -> Iterator[int]:
    """What is due now; for a user who asks all that was hot when they asked."""
    state, now = engine.state, engine.time.now()
    now_ms = now.database_ms
    waiting = {
        id_: ms for id_, ms in engine.user_partitions.waiting().items() if table_of_partition(id_) == table.table_id
    }
    loaded = partitions_by_table(state).get(table.table_id, [])
    if step.record.trigger is Trigger.USER:
        oldest = waiting | {p.partition_id: p.oldest_hot_ms for p in loaded if p.oldest_hot_ms is not None}
        asked_ms = step.record.created_ms + now_ms - now.wall_ms  # rows are dated by the database's time
        yield from (id_ for id_, oldest_ms in oldest.items() if oldest_ms <= asked_ms)
        return
    pressed = frozenset(fullest_partitions(state, engine.settings.hot_bytes_max))
    for partition in loaded:
        if partition.partition_id in pressed or plan_flush(table, partition, now_ms) is not None:
            yield partition.partition_id
    yield from (id_ for id_, oldest_ms in waiting.items() if is_interval_over(table, oldest_ms, now_ms))
