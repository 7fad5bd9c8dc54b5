"""StagedChange takes batches of the SELECT behind a change and stages versions to delete and new rows.

A batch has `old_seq` and `k0..` (the version to delete and its key; absent for plain inserts), `c0..` (the new row;
absent for deletes), `o0..` (the old row, for RETURNING).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final

import numpy as np
import pyarrow as pa

from flight_server.sql.change.change_sql import OLD_SEQ, Target
from flight_server.sql.change.row_conversion import cast_column, checked_rows, keys_of, logical
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.names import quoted
from storage.catalog.schema import TableDef
from storage.errors import InvalidRequest
from storage.primary_keys.encoding import encode_keys
from storage.state.batch_rows import kept_rows

MEETS_TWICE: Final = "21000"  # SQLSTATE of a statement that would change one row twice


class Repeats(Enum):
    """What to do when the SELECT names one version twice."""

    IMPOSSIBLE = 0  # no join: not looked for
    FIRST_WINS = 1  # UPDATE .. FROM, DELETE .. USING
    REFUSED = 2  # MERGE, ON CONFLICT: which row wins must not be chance


@dataclass(frozen=True, slots=True)
class Changed:
    """rows: affected ones; returning: the RETURNING rows, None without."""

    rows: int
    returning: pa.Table | None = None

    def discarded(self) -> Changed:
        """The same of an INSERT whose events nobody listened to: none was accepted."""
        return Changed(0, None if self.returning is None else self.returning.slice(0, 0))


class StagedChange:
    """Use as a context manager: leaving without `apply` removes what was staged."""

    def __init__(
        self,
        context: StatementContext,
        table: TableDef,
        *,
        repeats: Repeats = Repeats.IMPOSSIBLE,
        keep_new: bool = False,
        keep_old: bool = False,
    ) -> None:
        table = context.own(table)
        self._context = context
        self._table = table
        self._repeats = repeats
        self._stage = context.services.engine.write_stage(table)
        self._seqs: list[np.ndarray] = []
        self._seen: set[int] = set()
        self._old_keys: list[bytes] = []
        self._keys: list[bytes] = []
        self._keep_new, self._keep_old = keep_new, keep_old
        self.kept: list[pa.RecordBatch] = []  # logical rows for RETURNING
        self.seen_keys: set[bytes] = set()  # of the statement so far, for ON CONFLICT
        self._only_deleted = 0
        self._applied = False

    def __enter__(self) -> StagedChange:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._applied:
            self._stage.abandon()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in one batch of the SELECT. Raises InvalidRequest, ConstraintViolated."""
        names = set(batch.schema.names)
        if OLD_SEQ in names:
            batch = self._without_repeats(batch)
            self._take_versions(batch)
            self._only_deleted += 0 if "c0" in names else batch.num_rows
        if "c0" in names:
            self.add_rows(self._new_rows(batch))
        elif self._keep_old and "o0" in names:
            columns = [cast_column(self._table, c, batch.column(f"o{i}")) for i, c in enumerate(self._table.columns)]
            self.kept.append(pa.RecordBatch.from_arrays(columns, names=self._table.arrow_schema.names))

    def add_rows(self, rows: pa.RecordBatch) -> None:
        """Take in new rows that are physical and checked already."""
        if self._table.primary_key and self._stage.is_in_memory:
            self._keys += keys_of(self._table, rows)
        self._stage.append(rows)
        if self._keep_new:
            self.kept.append(logical(self._table, rows))

    def add_versions(self, seqs: np.ndarray, keys: list[bytes]) -> None:
        """Delete these versions; `keys` are their encoded primary keys."""
        self._seqs.append(seqs)
        self._old_keys += keys

    def apply(self) -> int:
        """Hand everything to the transaction; returns the rows affected."""
        self._context.services.engine.wait_for_room(self._context.cancelled, self._table.kind)
        staged = self._stage.finish()
        seqs = np.concatenate([np.empty(0, np.int64), *self._seqs]).astype(np.int64)
        keys = [] if staged.files else self._keys
        self._context.transaction.change(
            self._table, deletes=seqs, deleted_keys=self._old_keys, staged=staged, keys=keys
        )
        self._applied = True
        return staged.rows + self._only_deleted

    def _new_rows(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = {c.name: batch.column(f"c{i}") for i, c in enumerate(self._table.columns)}
        return checked_rows(self._table, columns, batch.num_rows)

    def _take_versions(self, batch: pa.RecordBatch) -> None:
        self._seqs.append(batch.column(OLD_SEQ).to_numpy(zero_copy_only=False))
        if self._table.primary_key:
            columns = [batch.column(f"k{i}") for i in range(len(self._table.primary_key))]
            self._old_keys += encode_keys(columns, list(self._table.primary_key))

    def _without_repeats(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self._repeats is Repeats.IMPOSSIBLE:
            return batch
        keep = np.ones(batch.num_rows, dtype=bool)
        for row, seq in enumerate(batch.column(OLD_SEQ).to_pylist()):
            keep[row] = seq not in self._seen
            self._seen.add(seq)
        if keep.all():
            return batch
        if self._repeats is Repeats.REFUSED:
            raise InvalidRequest(
                f"the statement would change one row of table '{self._table.name}' twice; make its source rows unique",
                sqlstate=MEETS_TWICE,
            )
        return kept_rows(batch, keep)


def returned(
    context: StatementContext, to: Target, returning_sql: str | None, rows: list[pa.RecordBatch]
) -> pa.Table | None:
    """The RETURNING list over the changed rows; None when there is no RETURNING."""
    if returning_sql is None:
        return None
    shown = pa.Table.from_batches(rows, schema=rows[0].schema if rows else to.table.arrow_schema)
    return context.collect(f"SELECT {returning_sql} FROM {quoted(to.alias)}", extra={to.alias: shown})
