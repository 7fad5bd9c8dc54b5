"""PartitionChange tells listeners what one commit did to one partition."""

from __future__ import annotations

from dataclasses import dataclass

from storage.catalog.schema import TableDef
from storage.state.edits import RowChange
from storage.state.snapshots import Snapshot
from storage.state.state import PartitionState


@dataclass(frozen=True, slots=True)
class PartitionChange:
    """What one edit did to one partition.

    table:      as it was at the commit
    change:     the edit's part: new rows, files of a bulk load, deleted versions, keys
    commit_seq: the time of its deletes; below every `_seq` of its new rows
    rows_seq:   the `_seq` of the first new row: of `change.inserts` first, then of `change.staged`
    before:     the partition without it: here the deleted versions are found
    after:      the partition with it: here the loaded files are found
    held:       keeps the files of both on disk for as long as this is kept; None when no file matters
    """

    table: TableDef
    change: RowChange
    commit_seq: int
    rows_seq: int
    before: PartitionState
    after: PartitionState
    held: Snapshot | None = None

    @property
    def partition_id(self) -> int:
        return self.before.partition_id
