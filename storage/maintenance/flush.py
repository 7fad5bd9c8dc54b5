"""Flush moves a partition's hot rows into one Parquet file.

Steps, each safe to repeat after a crash before the next:
  1. plan          decide from the state alone whether a limit is reached
  2. write         all hot versions up to the newest `_seq` S, deleted ones too, into a part file
  3. publish       sync, read back, compare, link (the sweep removes a file whose edit never came)
  4. commit        one durable edit: the file joins the manifest, hot keys up to S go
Deletes that come in between name `_seq`s, so they hold for the file as they held for the hot rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from storage.catalog.schema import TableDef, TableKind
from storage.cold.file_names import FILE_SUFFIX, file_name
from storage.cold.parquet import ColdWriter, layout_of
from storage.counters import ROWS_FLUSHED
from storage.errors import Cancelled, StorageUnavailable
from storage.failpoints import reach
from storage.maintenance.written_files import discarded_if_refused
from storage.state.edits import Edit, FlushChange
from storage.state.state import ColdFile, HotChunk, PartitionState

if TYPE_CHECKING:
    from storage.engine import Engine


class FlushReason(StrEnum):
    ROWS = "rows"
    INTERVAL = "interval"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class FlushResult:
    """rows: versions moved, deleted ones too; bytes: of the new files."""

    rows: int
    bytes: int
    files: int


def plan_flush(table: TableDef, partition: PartitionState, now_ms: int) -> FlushReason | None:
    """The first limit of the table's flush policy that is reached, None when none is. Streams have none."""
    if table.kind is TableKind.STREAM:
        return None
    policy = table.options.flush_policy
    oldest_ms = partition.oldest_hot_ms
    if oldest_ms is None:
        return None
    if partition.hot_rows >= policy.rows:
        return FlushReason.ROWS
    if partition.hot_bytes >= policy.bytes:
        return FlushReason.BYTES
    return FlushReason.INTERVAL if is_interval_over(table, oldest_ms, now_ms) else None


def is_interval_over(table: TableDef, oldest_ms: int, now_ms: int) -> bool:
    """Whether the oldest hot row has been hot for as long as the table's flush policy lets it be."""
    return now_ms - oldest_ms >= table.options.flush_policy.interval_seconds * 1000


def flush_partition(
    engine: Engine,
    table: TableDef,
    partition: PartitionState,
    cancelled: Callable[[], bool],
    report: Callable[[float], None] = lambda share: None,
) -> FlushResult | None:
    """Run steps 2 to 4 for what is hot in `partition`; None when nothing is. `report`: told the share that is written.

    Raises Cancelled (nothing changed), StorageUnavailable, NotFound (the table was dropped meanwhile).
    """
    with engine.partition_locks.held(partition.partition_id):
        # What the caller saw may have been flushed or altered since: move what is hot now.
        state = engine.state
        table = state.catalog.table_by_id(table)
        partition = state.partition(partition.partition_id)
        if not partition.hot:
            return None
        file = _written(engine, table, partition, _reporting(partition, cancelled, report))
        seq_max = int(partition.hot[-1].seqs[-1])
        change = FlushChange(partition.partition_id, seq_max, (file,))
        with discarded_if_refused(engine, (file,), partition.partition_id):
            reach("flush.before_commit")
            engine.commit(Edit(maintenance=(change,)))
        reach("flush.after_commit")
        engine.counters.add(ROWS_FLUSHED, file.rows)
    return FlushResult(rows=file.rows, bytes=file.bytes, files=1)


_Before = Callable[[int], bool]
"""Called before each chunk with the rows that were written; True = stop."""


def _reporting(partition: PartitionState, cancelled: Callable[[], bool], report: Callable[[float], None]) -> _Before:
    def before(rows: int) -> bool:
        report(rows / partition.hot_rows)
        return cancelled()

    return before


def _written(engine: Engine, table: TableDef, partition: PartitionState, before: _Before) -> ColdFile:
    """As `_write`; whoever waits for room is told what stands in the way."""
    try:
        file = _write(engine, table, partition, before)
    except StorageUnavailable as error:
        engine.file_stores.trouble = error.message
        raise
    engine.file_stores.trouble = ""
    return file


def _write(engine: Engine, table: TableDef, partition: PartitionState, before: _Before) -> ColdFile:
    now_ms = engine.clock.wall_ms()
    first_seq = int(partition.hot[0].seqs[0])
    file_id = engine.new_id()
    files, folder = engine.file_stores.for_table(table)
    path = f"{folder}/{file_name(now_ms, first_seq)}"
    if files.is_taken(path):  # left by a crash in this very second; the sweep will remove it
        path = path.removesuffix(FILE_SUFFIX) + f"-{file_id:x}{FILE_SUFFIX}"
    schema = partition.hot[0].batch.schema.remove(0)
    writer = ColdWriter(files, path, schema, layout_of(table, engine.settings.row_group_rows))
    try:
        _write_chunks(writer, partition.hot, before)
        return writer.finish(file_id, table.version, now_ms)
    except BaseException:
        writer.abandon()
        raise


def _write_chunks(writer: ColdWriter, chunks: tuple[HotChunk, ...], before: _Before) -> None:
    rows = 0
    for chunk in chunks:
        if before(rows):
            raise Cancelled("the flush was cancelled; its rows stay hot")
        writer.write(chunk.batch)
        rows += chunk.rows
