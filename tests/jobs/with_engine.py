"""The job manager and its planners over a real engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pyarrow as pa
import trio

from jobs.client import JobClient
from jobs.executors.registry import executors_of
from jobs.ledger import JobRecord, Ledger
from jobs.manager import JobManager
from jobs.planning.schedule import Schedule
from jobs.settings import JobSettings
from storage.catalog.names import TableName, table_name
from storage.catalog.schema import Column, TableDef, TableKind
from storage.catalog.table_options import FlushPolicy, TableOptions
from storage.engine import Engine
from storage.state.edits import Edit, RowChange

GRACE_MS = 7 * 86_400_000  # for which a dropped user can be brought back


LONG = FlushPolicy(rows=1_000_000, interval_seconds=300, bytes=1 << 30)


def make_table(engine: Engine, name: str = "t", policy: FlushPolicy = LONG) -> TableName:
    table = TableDef(
        table_id=engine.new_id(),
        name=table_name("public", name),
        kind=TableKind.SHARED,
        columns=(Column(name="a", physical_name="a", type=pa.int64(), sql_type="BIGINT"),),
        options=TableOptions(flush_policy=policy),
    )
    engine.commit(Edit(catalog=lambda catalog: catalog.with_new_table(table)))
    return table.name


def insert(engine: Engine, name: TableName, rows: int) -> None:
    table = engine.state.catalog.table(name)
    batch = pa.record_batch({"a": pa.array(range(rows), pa.int64())})
    engine.commit(Edit(rows=(RowChange(table=table, inserts=(batch,)),)))


def counts(engine: Engine, name: TableName) -> tuple[int, int, int]:
    """Hot rows, cold rows, cold files."""
    partition = engine.state.partition(engine.state.catalog.table(name).partition_id)
    return partition.hot_rows, sum(file.rows for file in partition.cold), len(partition.cold)


@asynccontextmanager
async def jobs_over(engine: Engine, settings: JobSettings | None = None) -> AsyncIterator[tuple[JobManager, Schedule]]:
    settings = settings or JobSettings()
    ledger = Ledger(engine.job_records)
    manager = JobManager(
        ledger=ledger,
        executors=executors_of(engine, ledger, settings, GRACE_MS),
        settings=settings,
        clock=engine.clock,
        new_id=engine.new_id,
        random=Random(1),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(manager.run)
        yield manager, Schedule(engine, manager, settings, GRACE_MS)
        manager.stop()
        nursery.cancel_scope.cancel()


def through_the_door(engine: Engine, calls: Callable[[JobClient], object]) -> None:
    """Run `calls(door)` on a thread of its own, as gRPC does."""

    async def main() -> None:
        async with jobs_over(engine) as (manager, _):
            await trio.to_thread.run_sync(calls, JobClient(engine, manager))

    trio.run(main)


def finished(door: JobClient, record: JobRecord) -> JobRecord:
    return door.wait_for(record.job_id, lambda: False)
