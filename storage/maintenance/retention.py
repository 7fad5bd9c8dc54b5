"""Retention purges deleted versions older than the table's `deleted_retention`, from hot rows and cold files.

Work is done in steps, each bounded, whole by itself and repeatable after a crash:
  1. hot     chunks that hold expired versions are rewritten without them, one edit for some of them
  2. cold    files that surely hold some are rewritten, neighbours together up to the target size; see `compaction`
  3. doubt   where files interleave in `_seq`, a file is asked before it is rewritten
What a version was deleted by is forgotten with it; the partition remembers how far back that went (`purged_seq`), so
that a question about an earlier moment is refused, whatever the retention is set to afterwards.

Deletes since the oldest open snapshot stay, however short the retention: its transaction has to meet them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import SEQ, TableDef, TableKind
from storage.catalog.table_options import KEEP_FOR_EVER
from storage.cold.parquet import read_rows
from storage.errors import Cancelled
from storage.failpoints import reach
from storage.maintenance.compaction import NO_LIMIT, CompactPlan, compact_partition, purge_before_seq, surely_held
from storage.rowstore.delete_records import oldest_deletes
from storage.rowstore.keys import DELETES, HOT, MANIFEST, PK, dropped_range
from storage.seq import ms_of
from storage.state.batch_rows import kept_rows
from storage.state.delete_set import DeleteSet
from storage.state.edits import CompactChange, Edit, HotPurge
from storage.state.state import ColdFile, HotChunk, PartitionState

if TYPE_CHECKING:
    from storage.database_time import Now
    from storage.engine import Engine

HOT_ROWS_AT_ONCE: Final = 1 << 18  # looked through and rewritten by one edit
SLACK_SHARE: Final = 0.1  # of the retention: so much is let gather, or files would be rewritten for every single row
_NO_COLUMNS: Final = pa.schema([])


@dataclass(frozen=True, slots=True)
class PurgePlan:
    """The next step. Only one of the three is not empty.

    hot:      chunks that hold expired versions
    files:    neighbours that surely hold some
    doubtful: files that may
    """

    hot: tuple[HotChunk, ...] = ()
    files: tuple[ColdFile, ...] = ()
    doubtful: tuple[ColdFile, ...] = ()


@dataclass(frozen=True, slots=True)
class PurgeResult:
    """rows, bytes: gone; files: rewritten; oldest_ms, newest_ms: when the versions were deleted, None without any"""

    rows: int
    bytes: int
    files: int
    oldest_ms: int | None
    newest_ms: int | None


def is_due(table: TableDef, oldest_commit: int | None, now_ms: int, purge_limit_seq: int = NO_LIMIT) -> bool:
    """Whether what `oldest_commit` deleted is past its retention by a tenth of it. Pure. What left a stream is seen to
    by its commits."""
    if table.kind is TableKind.STREAM:
        return False
    kept = table.options.deleted_retention_seconds
    if kept == KEEP_FOR_EVER or oldest_commit is None:
        return False
    slack_ms = int(kept * SLACK_SHARE) * 1000
    return oldest_commit < min(purge_before_seq(table, now_ms - slack_ms), purge_limit_seq)


def expired_partitions(engine: Engine, table: TableDef, now: Now | None = None) -> Iterator[int]:
    """Partitions of a table with anything that is past the retention, or was at `now`; in memory or not."""
    if table.kind is TableKind.STREAM:
        return iter(())
    found = oldest_deletes_of(engine, table)
    return (partition_id for partition_id, oldest in found if oldest < before_seq(engine, table, oldest, now))


def plan_purge(partition: PartitionState, before_seq: int, bytes_max: int) -> PurgePlan | None:
    """What to purge next of versions deleted before the commit `before_seq`; None when there are none. Pure.

    bytes_max: of the files of one step, unless a single one is larger
    """
    expired = partition.deletes.as_of(before_seq - 1)
    if len(expired) == 0:
        return None
    hot = tuple(_some_of(chunk for chunk in partition.hot if _hit(chunk, expired).any()))
    if hot:
        return PurgePlan(hot=hot)
    files = _first_run(partition, expired, bytes_max)
    if files:
        return PurgePlan(files=files)
    return PurgePlan(doubtful=tuple(f for f in partition.cold if expired.count_between(f.seq_min, f.seq_max)))


def purge_step(
    engine: Engine, table: TableDef, partition_id: int, cancelled: Callable[[], bool], now: Now | None = None
) -> PurgeResult | None:
    """Do the next step; None when nothing is expired, or was at `now`. Raises as `compact_partition`."""
    partition = engine.state.partition(partition_id)
    before = before_seq(engine, table, partition.deletes.oldest_commit, now)
    plan = plan_purge(partition, before, engine.settings.file_bytes_target)
    if plan is None:
        return None
    if plan.hot:
        return _purge_hot(engine, table, partition_id, before)
    files = plan.files or _first_holding(engine, partition, plan.doubtful, before, cancelled)
    if files:
        return _purge_cold(engine, table, partition, CompactPlan(files, before), cancelled)
    return _forget_orphans(engine, partition_id, before)


def before_seq(engine: Engine, table: TableDef, oldest_commit: int | None, now: Now | None = None) -> int:
    """What was deleted by commits below it is expired now, and was at `now` too.

    oldest_commit: of the deletes in question; see `Now.ageing`
    """
    moments = [engine.time.settled(), *([] if now is None else [now])]
    ages = (purge_before_seq(table, moment.ageing_seq(oldest_commit)) for moment in moments)
    return min(*ages, engine.purge_limit_seq())


def _hit(chunk: HotChunk, expired: DeleteSet) -> np.ndarray:
    """bool[rows]: which versions are expired."""
    none: np.ndarray = np.zeros(chunk.rows, dtype=bool)
    return none if chunk.dead is None else chunk.dead & expired.contains(chunk.seqs)


def _some_of(chunks: Iterable[HotChunk]) -> Iterable[HotChunk]:
    """At least one, and not many more rows than may be done at once."""
    rows = 0
    for chunk in chunks:
        yield chunk
        rows += chunk.rows
        if rows >= HOT_ROWS_AT_ONCE:
            return


def _first_run(partition: PartitionState, expired: DeleteSet, bytes_max: int) -> tuple[ColdFile, ...]:
    run: list[ColdFile] = []
    for file in partition.cold:
        has_room = not run or sum(f.bytes for f in run) + file.bytes <= bytes_max
        if has_room and surely_held(partition, file, expired):
            run.append(file)
        elif run:
            break
    return tuple(run)


def _purge_hot(engine: Engine, table: TableDef, partition_id: int, before: int) -> PurgeResult:
    with engine.partition_locks.held(partition_id):
        state = engine.state
        version = state.catalog.table_by_id(table).version
        partition = state.partition(partition_id)
        plan = plan_purge(partition, before, 0)
        chunks = () if plan is None else plan.hot
        expired = partition.deletes.as_of(before - 1)
        changes = [_without_expired(chunk, expired, partition_id, version) for chunk in chunks]
        if changes:
            reach("retention.before_commit")
            engine.commit(Edit(maintenance=tuple(changes)))
            reach("retention.after_commit")
    gone = np.concatenate([np.empty(0, np.int64), *(change.purged for change in changes)])
    kept_bytes = sum(change.kept.nbytes for change in changes if change.kept is not None)
    freed = sum(chunk.bytes for chunk in chunks) - kept_bytes
    return _figures(partition, gone, max(freed, 0), 0)


def _without_expired(chunk: HotChunk, expired: DeleteSet, partition_id: int, version: int) -> HotPurge:
    gone = _hit(chunk, expired)
    seqs = chunk.seqs
    kept = None if gone.all() else kept_rows(chunk.batch, ~gone)
    return HotPurge(partition_id, int(seqs[0]), int(seqs[-1]), kept, version, seqs[gone])


def _first_holding(
    engine: Engine,
    partition: PartitionState,
    doubtful: tuple[ColdFile, ...],
    before: int,
    cancelled: Callable[[], bool],
) -> tuple[ColdFile, ...]:
    """The first of the files in which an expired version is found; () when none holds any."""
    expired = partition.deletes.as_of(before - 1)
    with engine.snapshot() as snapshot:
        there = {file.file_id for file in snapshot.state.partition(partition.partition_id).cold}
        for file in doubtful:
            if file.file_id in there and _holds(engine, file, expired, cancelled):
                return (file,)
    return ()


def _holds(engine: Engine, file: ColdFile, expired: DeleteSet, cancelled: Callable[[], bool]) -> bool:
    for batch in read_rows(engine.file_stores.of(file), file, _NO_COLUMNS):
        if cancelled():
            raise Cancelled("the purge was cancelled; the old files stay")
        if expired.contains(batch.column(SEQ).to_numpy(zero_copy_only=False)).any():
            return True
    return False


def _purge_cold(
    engine: Engine, table: TableDef, partition: PartitionState, plan: CompactPlan, cancelled: Callable[[], bool]
) -> PurgeResult:
    done = compact_partition(engine, table, partition, plan, cancelled)
    freed = sum(file.bytes for file in plan.files) - done.bytes
    return _figures(partition, done.purged_seqs, max(freed, 0), len(plan.files))


def _forget_orphans(engine: Engine, partition_id: int, before: int) -> PurgeResult:
    """Deletes of versions that are nowhere: they would be due for ever."""
    with engine.partition_locks.held(partition_id):
        partition = engine.state.partition(partition_id)
        plan = plan_purge(partition, before, 0)
        if plan is not None and not plan.hot and not plan.files:
            seqs = partition.deletes.as_of(before - 1).all.seqs
            engine.commit(Edit(maintenance=(CompactChange(partition_id, (), (), seqs),)))
    return PurgeResult(0, 0, 0, None, None)


def _figures(partition: PartitionState, gone: np.ndarray, freed: int, files: int) -> PurgeResult:
    commits = partition.deletes.commits_of(gone)
    if len(commits) == 0:
        return PurgeResult(len(gone), freed, files, None, None)
    oldest, newest = ms_of(int(commits.min())), ms_of(int(commits.max()))
    return PurgeResult(len(gone), freed, files, oldest, newest)


def oldest_deletes_of(engine: Engine, table: TableDef) -> Iterator[tuple[int, int]]:
    """(partition, the oldest commit that deleted something in it) of a table. Raises Corruption."""
    return oldest_deletes(engine.row_store, *dropped_range(table.partition_id))


def compact_row_store(engine: Engine, table: TableDef) -> None:
    """Have the row store's own files and its log hold nothing of a table that was removed before.

    Raises StorageUnavailable.
    """
    engine.row_store.compact_range((HOT, DELETES, PK, MANIFEST), *dropped_range(table.partition_id))
