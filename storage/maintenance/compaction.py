"""Compaction merges many cold files into few, without versions whose delete is past the retention.

Only neighbours in `_seq` order are merged, so that files stay apart in `_seq` where they can. Old files stay on
disk until no snapshot names them; the sweep takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import SEQ, TableDef, fill_arrays
from storage.catalog.table_options import KEEP_FOR_EVER
from storage.cold.file_names import file_name
from storage.cold.parquet import ColdWriter, layout_of, rows_from
from storage.errors import Cancelled, Conflict
from storage.failpoints import reach
from storage.maintenance.written_files import discarded_if_refused
from storage.seq import SEQ_MAX, seq_at
from storage.settings import StorageSettings
from storage.state.batch_rows import kept_rows
from storage.state.delete_set import DeleteSet
from storage.state.edits import CompactChange, Edit
from storage.state.row_versions import conform
from storage.state.state import ColdFile, PartitionState

if TYPE_CHECKING:
    from storage.engine import Engine

FILES_KEPT_MAX: Final = 8  # a run of small files longer than this is merged; a scan pays ~1 ms for each
NO_LIMIT: Final = SEQ_MAX
DEAD_SHARE_MAX: Final = 0.2  # a file with more purgeable versions than this is rewritten


@dataclass(frozen=True, slots=True)
class CompactPlan:
    """`files`: neighbours in `_seq` order; `purge_before_seq`: deletes committed before it are past the retention."""

    files: tuple[ColdFile, ...]
    purge_before_seq: int


@dataclass(frozen=True, slots=True)
class CompactResult:
    """rows, bytes: of the new files; purged_seqs: int64, sorted: versions left out."""

    files_before: int
    files_after: int
    rows: int
    bytes: int
    purged_seqs: np.ndarray

    @property
    def purged(self) -> int:
        """How many versions were left out."""
        return len(self.purged_seqs)


def plan_compaction(
    table: TableDef,
    partition: PartitionState,
    settings: StorageSettings,
    now_ms: int,
    *,
    purge_limit_seq: int = NO_LIMIT,
    force: bool = False,
) -> CompactPlan | None:
    """What to merge next, None when nothing is worth it. `force` (COMPACT TABLE) takes all files.

    purge_limit_seq: deletes from this commit on stay, whatever the retention; see `Engine.purge_limit_seq`.
    """
    before = min(purge_before_seq(table, now_ms), purge_limit_seq)
    old = partition.deletes.as_of(before - 1)
    if force:
        worth = len(partition.cold) > 1 or any(surely_held(partition, f, old) for f in partition.cold)
        return CompactPlan(partition.cold, before) if worth else None
    run = _longest_run_of_small(partition.cold, settings.file_bytes_target)
    if len(run) > FILES_KEPT_MAX:
        return CompactPlan(run, before)
    for file in partition.cold:
        if surely_held(partition, file, old) > file.rows * DEAD_SHARE_MAX:
            return CompactPlan((file,), before)
    return None


def purge_before_seq(table: TableDef, now_ms: int) -> int:
    """Versions deleted by commits below this `_seq` need not be kept; 0 = all are kept."""
    kept = table.options.deleted_retention_seconds
    return 0 if kept == KEEP_FOR_EVER else seq_at(now_ms - kept * 1000)


def compact_partition(
    engine: Engine, table: TableDef, partition: PartitionState, plan: CompactPlan, cancelled: Callable[[], bool]
) -> CompactResult:
    """Rewrite the plan's files and commit. Raises Cancelled, Conflict, NotFound, StorageUnavailable, Corruption."""
    # The snapshot keeps the files on disk when the table is dropped and swept meanwhile.
    with engine.partition_locks.held(partition.partition_id), engine.snapshot() as snapshot:
        now = snapshot.state.partition(partition.partition_id)
        _check_current(snapshot.state.catalog.table_by_id(table), now, plan)
        before = min(plan.purge_before_seq, engine.purge_limit_seq())
        purge = _Purge(now.deletes.as_of(before - 1))
        files = _rewrite(engine, table, plan, purge, cancelled)
        replaced = tuple(file.file_id for file in plan.files)
        change = CompactChange(partition.partition_id, replaced, files, purge.left_out)
        with discarded_if_refused(engine, files, partition.partition_id):
            reach("compact.before_commit")
            engine.commit(Edit(maintenance=(change,)))
        reach("compact.after_commit")
    engine.obsolete_files.add(plan.files)
    engine.obsolete_files.remove_unused()
    return CompactResult(
        files_before=len(plan.files),
        files_after=len(files),
        rows=sum(file.rows for file in files),
        bytes=sum(file.bytes for file in files),
        purged_seqs=purge.left_out,
    )


def _check_current(table: TableDef, partition: PartitionState, plan: CompactPlan) -> None:
    if not {file.file_id for file in partition.cold}.issuperset(file.file_id for file in plan.files):
        raise Conflict(f"files of table '{table.name}' were compacted by another job first")


class _Purge:
    """Leaves deleted versions out and remembers which: only their deletes may be forgotten.

    Files can interleave in `_seq` (rows stay hot while a bulk load commits behind them), so a delete inside a
    file's range may name another file's version.
    """

    def __init__(self, old: DeleteSet) -> None:
        self._old = old
        self._left_out: list[np.ndarray] = []

    def kept(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self._old.chunks:
            return batch
        seqs = batch.column(SEQ).to_numpy(zero_copy_only=False)
        gone = self._old.contains(seqs)
        if not gone.any():
            return batch
        self._left_out.append(seqs[gone])
        return kept_rows(batch, ~gone)

    @property
    def left_out(self) -> np.ndarray:
        """int64, sorted."""
        return np.sort(np.concatenate([np.empty(0, np.int64), *self._left_out]))


def _longest_run_of_small(cold: tuple[ColdFile, ...], target_bytes: int) -> tuple[ColdFile, ...]:
    best: tuple[ColdFile, ...] = ()
    run: tuple[ColdFile, ...] = ()
    for file in cold:
        run = (*run, file) if file.bytes < target_bytes // 2 else ()
        best = max(best, run, key=len)
    return best


def surely_held(partition: PartitionState, file: ColdFile, old: DeleteSet) -> int:
    """At least how many of the file's versions are in `old`. Never more: a plan that purges nothing would come
    again for ever. Exact unless files interleave in `_seq`."""
    inside = old.count_between(file.seq_min, file.seq_max)
    if inside == 0:
        return 0
    for other in partition.cold:
        low, high = max(file.seq_min, other.seq_min), min(file.seq_max, other.seq_max)
        if other is not file and low <= high:
            inside -= old.count_between(low, high)
    for chunk in partition.hot:
        if chunk.dead is not None and chunk.seqs[0] < file.seq_max:
            dead = chunk.seqs[chunk.dead]
            inside -= int(((dead > file.seq_min) & (dead < file.seq_max)).sum())
    return max(inside, 0)


def _rewrite(
    engine: Engine, table: TableDef, plan: CompactPlan, purge: _Purge, cancelled: Callable[[], bool]
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


def _kept_rows(engine: Engine, table: TableDef, plan: CompactPlan, purge: _Purge) -> Iterator[pa.RecordBatch]:
    schema, fills = table.physical_schema, fill_arrays(table)
    for file in plan.files:
        with engine.file_stores.of(file).fetched(file.path, file.checksum) as local:
            for stored in rows_from(local, file, schema):
                batch = purge.kept(conform(stored, schema, fills))
                if batch.num_rows:
                    yield batch


class _FileSeries:
    """Files of about the target size, in the order of the inputs; they interleave in `_seq` only where those did."""

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
            self._engine.file_stores.discard(file)

    def _open(self, first_seq: int) -> ColdWriter:
        engine = self._engine
        self._created_ms = engine.clock.wall_ms()
        self._file_id = engine.new_id()
        stem = file_name(self._created_ms, first_seq).removesuffix(".parquet")
        files, folder = engine.file_stores.for_table(self._table)
        path = f"{folder}/{stem}-c{self._file_id:x}.parquet"
        layout = layout_of(self._table, engine.settings.row_group_rows)
        return ColdWriter(files, path, self._table.physical_schema, layout)

    def _close(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._done.append(writer.finish(self._file_id, self._table.version, self._created_ms))
            reach("compact.after_file")
