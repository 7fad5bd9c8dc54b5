"""Compaction: many cold files become few, and versions whose delete is past the retention are left out.

Only neighbours in `_seq` order are merged, so that files stay apart in `_seq` and a delete can be placed.
Old files stay on disk until no snapshot names them; the sweep takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from storage.cold import ColdWriter, layout_of, read_rows
from storage.edits import CompactChange, Edit
from storage.errors import Cancelled
from storage.hot_codec import conform
from storage.local_files import file_name
from storage.options import KEEP_FOR_EVER
from storage.row_filter import kept_rows
from storage.schema import SEQ, TableDef, fill_arrays
from storage.settings import StorageSettings
from storage.state import SEQ_TIME_SHIFT, ColdFile, PartitionState

if TYPE_CHECKING:
    from storage.engine import Engine

FILES_KEPT_MAX: Final = 8  # a run of small files longer than this is merged; a scan pays ~1 ms for each
DEAD_SHARE_MAX: Final = 0.2  # a file with more purgeable versions than this is rewritten


@dataclass(frozen=True, slots=True)
class CompactPlan:
    """`files`: neighbours in `_seq` order; `purge_before_seq`: deletes committed before it are past the retention."""

    files: tuple[ColdFile, ...]
    purge_before_seq: int


@dataclass(frozen=True, slots=True)
class CompactFigures:
    """rows, bytes: of the new files; purged: versions left out."""

    files_before: int
    files_after: int
    rows: int
    bytes: int
    purged: int


def plan_compaction(
    table: TableDef, partition: PartitionState, settings: StorageSettings, now_ms: int, *, force: bool = False
) -> CompactPlan | None:
    """What to merge next, None when nothing is worth it. `force` (COMPACT TABLE) takes all files."""
    before = purge_before_seq(table, now_ms)
    if force:
        worth = len(partition.cold) > 1 or any(_purgeable(partition, f, before) for f in partition.cold)
        return CompactPlan(partition.cold, before) if worth else None
    run = _longest_run_of_small(partition.cold, settings.file_bytes_target)
    if len(run) > FILES_KEPT_MAX:
        return CompactPlan(run, before)
    for file in partition.cold:
        if _purgeable(partition, file, before) > file.rows * DEAD_SHARE_MAX:
            return CompactPlan((file,), before)
    return None


def purge_before_seq(table: TableDef, now_ms: int) -> int:
    """Versions deleted by commits below this `_seq` need not be kept; 0 = all are kept."""
    kept = table.options.deleted_retention_seconds
    return 0 if kept == KEEP_FOR_EVER else (now_ms - kept * 1000) << SEQ_TIME_SHIFT


def compact_partition(
    engine: Engine, table: TableDef, partition: PartitionState, plan: CompactPlan, cancelled: Callable[[], bool]
) -> CompactFigures:
    """Rewrite the plan's files and commit. Raises Cancelled, Conflict, NotFound, StorageUnavailable, Corruption."""
    with engine.moving(partition.partition_id):
        purge = _purge_set(partition, plan)
        files = _rewrite(engine, table, plan, purge, cancelled)
        replaced = tuple(file.file_id for file in plan.files)
        change = CompactChange(partition.partition_id, replaced, files, purge)
        try:
            engine.commit(Edit(maintenance=(change,)))
        except Exception:
            for file in files:
                engine.discard_unless_live(file, partition.partition_id)
            raise
    return CompactFigures(
        files_before=len(plan.files),
        files_after=len(files),
        rows=sum(file.rows for file in files),
        bytes=sum(file.bytes for file in files),
        purged=sum(file.rows for file in plan.files) - sum(file.rows for file in files),
    )


def _longest_run_of_small(cold: tuple[ColdFile, ...], target_bytes: int) -> tuple[ColdFile, ...]:
    best: tuple[ColdFile, ...] = ()
    run: tuple[ColdFile, ...] = ()
    for file in cold:
        run = (*run, file) if file.bytes < target_bytes // 2 else ()
        best = max(best, run, key=len)
    return best


def _purgeable(partition: PartitionState, file: ColdFile, before_seq: int) -> int:
    """About how many of the file's versions are past the retention."""
    if before_seq <= 0:
        return 0
    return partition.deletes.as_of(before_seq - 1).count_between(file.seq_min, file.seq_max)


def _purge_set(partition: PartitionState, plan: CompactPlan) -> np.ndarray:
    """int64, sorted: `_seq`s that lie in the plan's files and may go."""
    every = partition.deletes.as_of(plan.purge_before_seq - 1).all.seqs
    inside = np.zeros(len(every), dtype=bool)
    for file in plan.files:
        inside |= (every >= file.seq_min) & (every <= file.seq_max)
    hot = [chunk.seqs for chunk in partition.hot]
    if hot:  # a hot version may lie between two bulk loads' `_seq`s: it is not the file's to purge
        inside &= ~np.isin(every, np.concatenate(hot))
    return every[inside]


def _rewrite(
    engine: Engine, table: TableDef, plan: CompactPlan, purge: np.ndarray, cancelled: Callable[[], bool]
) -> tuple[ColdFile, ...]:
    out = _FileSeries(engine, table)
    try:
        for batch in _kept_rows(engine, table, plan, purge):
            if cancelled():
                raise Cancelled("the compaction was cancelled; the old files stay")
            out.write(batch)
        return out.finish()
    except BaseException:
        out.abandon()
        raise


def _kept_rows(engine: Engine, table: TableDef, plan: CompactPlan, purge: np.ndarray) -> Iterator[pa.RecordBatch]:
    schema, fills = table.physical_schema, fill_arrays(table)
    for file in plan.files:
        engine.files.verify(file.path, file.checksum)
        for stored in read_rows(engine.files, file, schema):
            batch = conform(stored, schema, fills)
            if len(purge):
                keep = ~np.isin(batch.column(SEQ).to_numpy(zero_copy_only=False), purge)
                batch = kept_rows(batch, keep)
            if batch.num_rows:
                yield batch


class _FileSeries:
    """Files of about the target size. They may overlap in `_seq` only within one compaction if sorted: they don't,
    because rows are sorted inside a row group and files follow the order of the inputs."""

    def __init__(self, engine: Engine, table: TableDef) -> None:
        self._engine = engine
        self._table = table
        self._writer: ColdWriter | None = None
        self._done: list[ColdFile] = []

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._writer = self._open(int(batch.column(SEQ)[0].as_py()))
        self._writer.write(batch)
        if self._writer.bytes >= self._engine.settings.file_bytes_target:
            self._close()

    def finish(self) -> tuple[ColdFile, ...]:
        self._close()
        return tuple(self._done)

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.abandon()
        for file in self._done:
            self._engine.files.discard(file.path)

    def _open(self, first_seq: int) -> ColdWriter:
        engine, name = self._engine, self._table.name
        self._created_ms = engine.clock.wall_ms()
        self._file_id = engine.new_id()
        stem = file_name(self._created_ms, first_seq).removesuffix(".parquet")
        path = f"{name.namespace}/{name.table}/{stem}-c{self._file_id:x}.parquet"
        layout = layout_of(self._table, engine.settings.row_group_rows)
        return ColdWriter(engine.files, path, self._table.physical_schema, layout)

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._done.append(writer.finish(self._file_id, self._table.version, self._created_ms))
