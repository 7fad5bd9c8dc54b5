"""What the storage tests are built from: tables in one line, changes in one line, and a plain reader of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from storage.catalog.names import table_name
from storage.catalog.schema import SEQ, Column, TableDef, TableKind, fill_arrays
from storage.catalog.table_options import KEEP_FOR_EVER, TableOptions
from storage.clock import Clock, ManualClock
from storage.cold.parquet import read_rows
from storage.engine import Engine
from storage.maintenance.cleanup import CleanResult, clean_dropped
from storage.maintenance.compaction import CompactResult, compact_partition, plan_compaction
from storage.maintenance.flush import FlushResult, flush_partition
from storage.maintenance.retention import PurgeResult, purge_step
from storage.primary_keys.encoding import encode_keys
from storage.rowstore.row_store import Operation, RowStore
from storage.settings import StorageSettings
from storage.state.batch_rows import kept_rows
from storage.state.edits import Committed, Edit, RowChange
from storage.state.row_versions import conform
from storage.state.state import DatabaseState, PartitionState, live_files
from storage.transactions.transaction import Transaction

# Every row goes straight to Parquet; row groups and files are as small as they may be.
SPILLING = StorageSettings(hot_statement_bytes_max=1, row_group_rows=1024, file_bytes_target=1 << 20)


def never() -> bool:
    """Nobody cancels."""
    return False


@contextmanager
def opened(directory: Path, clock: Clock | None = None, settings: StorageSettings | None = None) -> Iterator[Engine]:
    """An engine on `directory`, closed afterwards."""
    engine = Engine.open(directory, settings or StorageSettings(), clock or ManualClock())
    try:
        yield engine
    finally:
        engine.close()


def definition(
    engine: Engine,
    name: str = "t",
    columns: Mapping[str, pa.DataType] | None = None,
    key: Sequence[str] = (),
    kind: TableKind = TableKind.SHARED,
    **options: Any,
) -> TableDef:
    """A table that is not created yet; two columns, `k` and `v`, unless told otherwise."""
    kinds = columns or {"k": pa.int64(), "v": pa.string()}
    return TableDef(
        table_id=engine.new_id(),
        name=table_name("public", name),
        kind=kind,
        columns=tuple(Column(name=n, physical_name=n, type=t, sql_type=str(t)) for n, t in kinds.items()),
        options=TableOptions(**options),
        primary_key=tuple(key),
    )


def make_table(engine: Engine, name: str = "t", **more: Any) -> TableDef:
    """Create a table; as `definition`. Deletes are kept for ever unless `deleted_retention_seconds` is given."""
    table = definition(engine, name, **{"deleted_retention_seconds": KEEP_FOR_EVER, **more})
    engine.commit(Edit(catalog=lambda catalog: catalog.with_new_table(table)))
    return now(engine, table)


def drop(engine: Engine, table: TableDef) -> None:
    engine.commit(Edit(catalog=lambda catalog: catalog.without_table(catalog.table_by_id(table).name)))


def clean(engine: Engine, files_at_once: int = 100) -> list[CleanResult]:
    """Remove all that dropped tables left, step by step; what each step came to."""
    steps = []
    for dropped in engine.dropped():
        steps.append(clean_dropped(engine, dropped.partition_id, count=True, files_at_once=files_at_once))
        while not steps[-1].is_done:
            steps.append(clean_dropped(engine, dropped.partition_id, count=True, files_at_once=files_at_once))
    return steps


def alter(engine: Engine, table: TableDef, **changes: Any) -> TableDef:
    """Replace fields of the definition, as ALTER TABLE does: one version up."""

    def change(catalog: Any) -> Any:
        current = catalog.table_by_id(table)
        return catalog.with_table(msgspec.structs.replace(current, version=current.version + 1, **changes))

    engine.commit(Edit(catalog=change))
    return now(engine, table)


def now(engine: Engine, table: TableDef) -> TableDef:
    return engine.state.catalog.table_by_id(table)


def rows_batch(table: TableDef, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Rows, as tuples in column order, under the table's physical schema."""
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in table.columns]
    arrays = [pa.array(list(c), f.type) for c, f in zip(columns, table.physical_schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=table.physical_schema)


def keys(table: TableDef, batch: pa.RecordBatch) -> list[bytes]:
    """Encoded primary keys of a physical batch; none for tables without one."""
    if not table.primary_key:
        return []
    return encode_keys([batch.column(c.physical_name) for c in table.key_columns], list(table.primary_key))


def inserting(table: TableDef, *rows: Sequence[Any]) -> Edit:
    batch = rows_batch(table, rows)
    return Edit(rows=(RowChange(table=table, inserts=(batch,), new_keys=tuple(keys(table, batch))),))


def insert(engine: Engine, table: TableDef, *rows: Sequence[Any]) -> Committed:
    """Commit rows of the table as it is now."""
    return engine.commit(inserting(now(engine, table), *rows))


def load(engine: Engine, table: TableDef, *rows: Sequence[Any]) -> Committed | None:
    """Commit rows through a stage: straight to Parquet when the engine has SPILLING settings."""
    transaction = engine.begin()
    stage_rows(engine, transaction, table, *rows)
    return transaction.commit(durable=True)


def stage_rows(engine: Engine, transaction: Transaction, table: TableDef, *rows: Sequence[Any]) -> None:
    """Add rows to a transaction, through a stage."""
    table = transaction.state.catalog.table_by_id(table)
    stage = engine.write_stage(table)
    batch = rows_batch(table, rows)
    stage.append(batch)
    staged = stage.finish()
    transaction.change(table, staged=staged, keys=[] if staged.files else keys(table, batch))


def delete_in(engine: Engine, transaction: Transaction, table: TableDef, column: str, *values: Any) -> int:
    """Delete the rows whose `column` has one of `values`, as the transaction sees them."""
    table = transaction.state.catalog.table_by_id(table)
    shown = read(engine, table, transaction.state)
    hits = [row for row in shown if row[column] in values]
    if hits:
        seqs = np.array([row[SEQ] for row in hits], dtype=np.int64)
        batch = rows_batch(table, [[row[c.name] for c in table.columns] for row in hits])
        empty = engine.write_stage(table).finish()
        transaction.change(table, staged=empty, deletes=seqs, deleted_keys=keys(table, batch))
    return len(hits)


def delete(engine: Engine, table: TableDef, column: str, *values: Any) -> int:
    transaction = engine.begin()
    found = delete_in(engine, transaction, table, column, *values)
    transaction.commit(durable=True)
    return found


def flush(engine: Engine, table: TableDef) -> FlushResult | None:
    return flush_partition(engine, table, partition(engine, table), never)


def compact(engine: Engine, table: TableDef, *, force: bool = True) -> CompactResult | None:
    """Plan as a COMPACT job does, then act; None when there is nothing to do."""
    table, state = now(engine, table), partition(engine, table)
    limit = engine.purge_limit_seq()
    wall_ms = engine.clock.wall_ms()
    plan = plan_compaction(table, state, engine.settings, wall_ms, purge_limit_seq=limit, force=force)
    return None if plan is None else compact_partition(engine, table, state, plan, never)


def purge(engine: Engine, table: TableDef) -> list[PurgeResult]:
    """All steps, as a RETENTION job does them."""
    steps = []
    while (done := purge_step(engine, now(engine, table), table.partition_id, never)) is not None:
        steps.append(done)
    return steps


def partition(engine: Engine, table: TableDef, state: DatabaseState | None = None) -> PartitionState:
    return (state or engine.state).partition(table.partition_id)


def read(engine: Engine, table: TableDef, state: DatabaseState | None = None) -> list[dict[str, Any]]:
    """Live rows in `_seq` order: `_seq` and the columns by their names of now. The plainest reader there could be."""
    state = state or engine.state
    table = state.catalog.table_by_id(table)
    found = partition(engine, table, state)
    batches = [chunk.live for chunk in found.hot]
    schema, fills = table.physical_schema, fill_arrays(table)
    for file in found.cold:
        for stored in read_rows(engine.file_stores.of(file), file, schema):
            batch = conform(stored, schema, fills)
            batches.append(kept_rows(batch, ~found.deletes.contains(batch.column(SEQ).to_numpy())))
    names = [SEQ, *(column.name for column in table.columns)]
    shown = [dict(zip(names, row.values(), strict=True)) for batch in batches for row in batch.to_pylist()]
    return sorted(shown, key=lambda row: row[SEQ])


def read_as_of(engine: Engine, table: TableDef, seq: int) -> list[Any]:
    """First columns of the rows that were live after the commit `seq`, sorted."""
    found = partition(engine, table)
    dead = found.deletes.as_of(seq)
    schema = now(engine, table).physical_schema
    batches = [chunk.batch for chunk in found.hot]
    batches += [
        conform(b, schema, {}) for file in found.cold for b in read_rows(engine.file_stores.of(file), file, schema)
    ]
    live = []
    for batch in batches:
        seqs = batch.column(SEQ).to_numpy()
        keep = (seqs <= seq) & ~dead.contains(seqs)
        live += batch.filter(pa.array(keep)).column(1).to_pylist()
    return sorted(live)


def values(engine: Engine, table: TableDef, column: str = "k", state: DatabaseState | None = None) -> list[Any]:
    """One column of the live rows, sorted."""
    return sorted(row[column] for row in read(engine, table, state))


def write_directly(directory: Path, *operations: Operation) -> None:
    """Change a closed data directory behind the engine's back."""
    store = RowStore(directory / "rows")
    store.write(list(operations), durable=True)
    store.close()


def files_on_disk(engine: Engine) -> set[str]:
    return {path for path, _ in engine.files.listed()}


def between(action: Callable[[], object]) -> Callable[[], bool]:
    """A `cancelled` that does something else, once, while files are being written."""
    done: list[object] = []

    def cancelled() -> bool:
        if not done:
            done.append(True)
            action()
        return False

    return cancelled


def verify_cold_files(engine: Engine) -> int:
    """Compare every live file with its checksum; returns how many. Raises Corruption for the first that differs."""
    with engine.snapshot() as snapshot:
        found = live_files(snapshot.state) | {file.address: file for _, file in engine.user_partitions.files()}
        for file in found.values():
            engine.file_stores.of(file).verify(file.path, file.checksum)
    return len(found)
