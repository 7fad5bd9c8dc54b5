"""TableScans build a table as a view: its cold files UNION ALL its hot rows, without the deleted versions.

DataFusion inlines the view and pushes filters, projections and limits through it. So what is cheap in the plain
case must stay plain: files without a deleted row are scanned bare (their count(*) comes from statistics), system
columns are added only for statements that name them, and a `_seq` nobody needs is never read.

Rows of every part come out under the table's column names, with the table's types.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
from datafusion import DataFrame, Expr, SessionContext, col, lit
from datafusion import functions as f
from datafusion.catalog import Table

from flight_server.query.scan.cold_scan import ColdScans
from storage.catalog.names import RESERVED_PREFIX, quoted
from storage.catalog.schema import DELETED, SEQ, UPDATED, UPDATED_TYPE, Column, TableDef, TableKind, read_fill
from storage.catalog.table_options import KEEP_FOR_EVER
from storage.cold.parquet_types import file_type
from storage.errors import Corruption, InvalidRequest
from storage.seq import SEQS_A_MS, ms_of, seq_at
from storage.state.batch_rows import kept_rows, no_rows
from storage.state.delete_set import DeleteChunk
from storage.state.state import ColdFile, HotChunk, PartitionState

NOT_IN_MAX: Final = 32  # so many deleted rows are a filter, more an anti-join; from 20 on both cost the same
DEAD_SEQ: Final = f"{RESERVED_PREFIX}_dead_seq"
_NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class RowView:
    """Which row versions and which columns a statement sees.

    system_columns: `_seq`, `_updated`, `_deleted` are columns
    show_deleted:   deleted versions within the retention are rows too (with system_columns)
    as_of:          the version to see; None = now
    """

    system_columns: bool = False
    show_deleted: bool = False
    as_of: int | None = None

    @property
    def is_passing(self) -> bool:
        """What it shows depends on the clock too: which deleted versions are within the retention."""
        return self.show_deleted or self.as_of is not None


class TableScans:
    """Builds views, and keeps the plain ones as long as the state they show is somewhere alive."""

    def __init__(self, context: SessionContext, cold: ColdScans) -> None:
        self._context = context
        self._cold = cold
        self._kept: WeakKeyDictionary[PartitionState, dict[tuple[int, int, RowView], Table]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def view(self, table: TableDef, partition: PartitionState, rows: RowView, now_ms: int) -> Table:
        """The table as something that DataFusion can plan with. Raises InvalidRequest (as_of too old), Corruption."""
        self.check_files(table, partition)
        if rows.is_passing:
            check_as_of(table, partition, rows.as_of, now_ms)
            return _Parts(self._context, self._cold, table, partition, rows, now_ms).union().into_view()
        key = (table.table_id, table.version, rows)
        with self._lock:
            found = self._kept.get(partition, {}).get(key)
        if found is None:
            found = _Parts(self._context, self._cold, table, partition, rows, now_ms).union().into_view()
            with self._lock:
                self._kept.setdefault(partition, {})[key] = found
        return found

    def check_files(self, table: TableDef, partition: PartitionState) -> None:
        """Raises Corruption when a cold file is not what was written."""
        for file in partition.cold:
            try:
                self._cold.check(file)
            except Corruption as error:
                raise Corruption(f"table '{table.name}' can't be read: {error.message}") from None


def check_as_of(table: TableDef, partition: PartitionState, as_of: int | None, now_ms: int) -> None:
    """Raises InvalidRequest when there was no such table yet, or rows of then may be gone."""
    if as_of is None:
        return
    what = f"version {as_of} of table '{table.name}'"
    if as_of < seq_at(table.created_ms):
        raise InvalidRequest(f"{what} is from before the table was created; ask for a later moment")
    if ms_of(as_of) < retained_from_ms(table, now_ms):
        seconds = table.options.deleted_retention_seconds
        raise InvalidRequest(
            f"{what} is older than its deleted_retention of {seconds} s: "
            f"ask for a later moment, or set a longer deleted_retention for the future"
        )
    if as_of < partition.purged_seq:
        raise InvalidRequest(
            f"{what} can't be shown: rows of then were purged, under the deleted_retention of that time; "
            f"ask for version {partition.purged_seq} or a later one"
        )


def retained_from_ms(table: TableDef, now_ms: int) -> int:
    """Deletes older than this may be gone from disk; row versions deleted since then are all there."""
    kept = table.options.deleted_retention_seconds
    return _NEVER if kept == KEEP_FOR_EVER else now_ms - kept * 1000


@dataclass(frozen=True, slots=True)
class _FileKind:
    """What a group of files has in common, so that one scan and one projection fit all.

    storage:  where they lie
    seq_base: what to add to the stored `_seq`
    filled:   physical names of columns that these files lack and that are filled in
    masked:   some rows may be deleted
    late:     some rows may be newer than the version asked for
    """

    storage: str
    seq_base: int
    filled: tuple[str, ...]
    masked: bool
    late: bool

    @property
    def needs_seq(self) -> bool:
        return self.masked or self.late


class _Parts:
    """The parts of one view."""

    def __init__(
        self,
        context: SessionContext,
        cold: ColdScans,
        table: TableDef,
        partition: PartitionState,
        rows: RowView,
        now_ms: int,
    ) -> None:
        self._context = context
        self._cold = cold
        self._table = table
        self._partition = partition
        self._rows = rows
        self._marks = rows.system_columns and table.kind is not TableKind.STREAM
        deletes = partition.deletes if rows.as_of is None else partition.deletes.as_of(rows.as_of)
        self._deletes = deletes
        self._gone_before_seq = seq_at(retained_from_ms(table, now_ms))

    def union(self) -> DataFrame:
        parts = [*self._cold_parts(), *self._hot_parts()] or [self._no_rows()]
        whole = parts[0]
        for part in parts[1:]:
            whole = whole.union(part)
        return self._with_time(whole) if self._rows.system_columns else whole

    # cold

    def _cold_parts(self) -> Iterable[DataFrame]:
        groups: dict[_FileKind, list[ColdFile]] = {}
        for file in self._partition.cold:
            if self._rows.as_of is None or file.seq_min <= self._rows.as_of:
                groups.setdefault(self._kind(file), []).append(file)
        for kind, files in groups.items():
            yield self._cold_part(kind, files)

    def _kind(self, file: ColdFile) -> _FileKind:
        masked = self._deletes.count_between(file.seq_min, file.seq_max) > 0
        late = self._rows.as_of is not None and file.seq_max > self._rows.as_of
        needs_seq = masked or late or self._rows.system_columns
        lacking = (c for c in self._table.columns if c.fill is not None and c.physical_name not in file.column_names)
        return _FileKind(
            storage=file.storage,
            seq_base=file.seq_base if needs_seq else 0,
            filled=tuple(c.physical_name for c in lacking),
            masked=masked,
            late=late,
        )

    def _cold_part(self, kind: _FileKind, files: list[ColdFile]) -> DataFrame:
        with_seq = kind.needs_seq or self._rows.system_columns
        schema = self._file_schema(kind, with_seq)
        group = (self._partition.partition_id, self._table.table_id, self._table.version, kind, with_seq)
        part = self._cold.scan(group, files, schema)
        shown = [_restored(c, _filled(c) if c.physical_name in kind.filled else None) for c in self._table.columns]
        if with_seq and kind.seq_base:
            stored = [_named(field.name) for field in schema if field.name != SEQ]
            part = part.select(*stored, (_named(SEQ) + lit(pa.scalar(kind.seq_base, pa.int64()))).alias(SEQ))
        if kind.late:
            part = part.filter(_named(SEQ) <= lit(pa.scalar(self._rows.as_of, pa.int64())))
        if self._rows.system_columns:
            shown.append(_named(SEQ))
        if self._marks and not (kind.masked and self._rows.show_deleted):
            shown.append(lit(pa.scalar(False)).alias(DELETED))
        if not kind.masked:
            return part.select(*shown)
        dead = _between(self._deletes.all, min(x.seq_min for x in files), max(x.seq_max for x in files))
        if self._rows.show_deleted:
            return self._marked(part, dead).select(*shown, _named(DELETED))
        return self._without(part, dead.seqs).select(*shown)

    def _file_schema(self, kind: _FileKind, with_seq: bool) -> pa.Schema:
        fields = [
            c.field.with_name(c.physical_name).with_type(file_type(c.type))
            for c in self._table.columns
            if c.physical_name not in kind.filled
        ]
        return pa.schema([*fields, pa.field(SEQ, pa.int64(), nullable=False)] if with_seq or not fields else fields)

    def _without(self, part: DataFrame, dead: np.ndarray) -> DataFrame:
        if len(dead) <= NOT_IN_MAX:
            return part.filter(f.in_list(_named(SEQ), [lit(pa.scalar(int(seq), pa.int64())) for seq in dead], True))
        listed = self._listed({DEAD_SEQ: pa.array(dead)})
        return part.join(listed, left_on=quoted(SEQ), right_on=quoted(DEAD_SEQ), how="anti")

    def _marked(self, part: DataFrame, dead: DeleteChunk) -> DataFrame:
        """Rows with `_deleted`; those deleted before the retention are left out."""
        gone = dead.commits < self._gone_before_seq
        part = self._without(part, dead.seqs[gone])
        listed = self._listed({DEAD_SEQ: pa.array(dead.seqs[~gone])})
        joined = part.join(listed, left_on=quoted(SEQ), right_on=quoted(DEAD_SEQ), how="left")
        return joined.with_column(DELETED, _named(DEAD_SEQ).is_not_null())

    def _listed(self, columns: dict[str, pa.Array]) -> DataFrame:
        schema = pa.schema([pa.field(name, column.type, nullable=False) for name, column in columns.items()])
        return self._context.read_batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=schema))

    # hot

    def _hot_parts(self) -> Iterable[DataFrame]:
        batches = [batch for chunk in self._partition.hot if (batch := self._hot_batch(chunk)).num_rows]
        if batches:
            schema = self._hot_schema()
            yield self._context.read_batches([pa.RecordBatch.from_arrays(b.columns, schema=schema) for b in batches])

    def _no_rows(self) -> DataFrame:
        return self._context.read_batch(no_rows(self._hot_schema()))

    def _hot_schema(self) -> pa.Schema:
        fields = [c.field for c in self._table.columns]
        if self._rows.system_columns:
            fields.append(pa.field(SEQ, pa.int64(), nullable=False))
        if self._marks:
            fields.append(pa.field(DELETED, pa.bool_(), nullable=False))
        return pa.schema(fields)

    def _hot_batch(self, chunk: HotChunk) -> pa.RecordBatch:
        """The rows of a chunk that the statement sees, columns in order of the view."""
        if self._rows.as_of is None and not self._rows.show_deleted:
            batch, deleted = chunk.live, None
        else:
            batch, deleted = self._hot_versions(chunk)
        columns = [batch.column(c.physical_name) for c in self._table.columns]
        if self._rows.system_columns:
            columns.append(batch.column(SEQ))
        if self._marks:
            columns.append(pa.array(np.zeros(batch.num_rows, dtype=bool) if deleted is None else deleted))
        names = [str(i) for i in range(len(columns))]
        return pa.RecordBatch.from_arrays(columns, names=names)

    def _hot_versions(self, chunk: HotChunk) -> tuple[pa.RecordBatch, np.ndarray]:
        """(rows, bool[rows] deleted) as of the version, with deleted rows if they are to be seen."""
        batch, seqs = chunk.batch, chunk.seqs
        if self._rows.as_of is not None:
            upto = int(np.searchsorted(seqs, self._rows.as_of, side="right"))
            batch, seqs = batch.slice(0, upto), seqs[:upto]
        deleted = self._deletes.contains(seqs)
        hidden = self._gone(seqs) if self._rows.show_deleted else deleted
        if hidden.any():
            batch, deleted = kept_rows(batch, ~hidden), deleted[~hidden]
        return batch, deleted

    def _gone(self, seqs: np.ndarray) -> np.ndarray:
        """bool[len(seqs)]: deleted before the retention began."""
        dead = self._deletes.all
        gone: np.ndarray = np.isin(seqs, dead.seqs[dead.commits < self._gone_before_seq])
        return gone

    # both

    def _with_time(self, whole: DataFrame) -> DataFrame:
        """Add `_updated`, in its place before `_deleted`."""
        users = [_named(c.name) for c in self._table.columns]
        milliseconds = _named(SEQ) / lit(pa.scalar(SEQS_A_MS, pa.int64()))
        updated = milliseconds.cast(UPDATED_TYPE).alias(UPDATED)
        return whole.select(*users, _named(SEQ), updated, *([_named(DELETED)] if self._marks else []))


def _named(name: str) -> Expr:
    """A column by its exact name, whatever characters and case it has."""
    return col(quoted(name))


def _restored(column: Column, stored: Expr | None) -> Expr:
    """A column of a file as the table shows it."""
    value = _named(column.physical_name) if stored is None else stored
    if stored is None and file_type(column.type) != column.type:
        value = value.cast(column.type)
    return value.alias(column.name)


def _filled(column: Column) -> Expr:
    """What rows older than the column hold."""
    assert column.fill is not None
    value = read_fill(column.fill).cast(column.type)[0]  # the column may have been widened since
    return lit(value.value if isinstance(value, pa.ExtensionScalar) else value)


def _between(deletes: DeleteChunk, seq_min: int, seq_max: int) -> DeleteChunk:
    start = int(np.searchsorted(deletes.seqs, seq_min, side="left"))
    end = int(np.searchsorted(deletes.seqs, seq_max, side="right"))
    return DeleteChunk(deletes.seqs[start:end], deletes.commits[start:end])
