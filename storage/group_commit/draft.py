"""Draft is one edit's part of a group commit while it is being checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from storage.errors import Conflict
from storage.rowstore.keys import MANIFEST
from storage.rowstore.manifest_records import encode_cold_file
from storage.rowstore.row_store import Operation
from storage.state.partition_change import PartitionChange
from storage.state.state import ColdFile, DatabaseState, PartitionState


@dataclass(slots=True)
class Draft:
    """One edit's part of the group while it is being checked."""

    state: DatabaseState
    first_seq: int
    next_seq: int
    inserted: int = 0
    deleted: int = 0
    discarded: int = 0
    evicted: int = 0
    operations: list[Operation] = field(default_factory=list)
    keys: dict[bytes, int | None] = field(default_factory=dict)
    loads: dict[int, int] = field(default_factory=dict)
    changes: list[PartitionChange] = field(default_factory=list)

    def put(self, partition: PartitionState) -> None:
        """The partition as it is from this edit on."""
        self.state = self.state.with_partition(partition)

    def name_files(self, partition_id: int, files: Iterable[ColdFile]) -> None:
        """Have the manifest name the files. Raises Conflict (their storage was dropped)."""
        for file in files:
            if file.storage not in self.state.catalog.storages:
                raise Conflict(f"storage '{file.storage}' was dropped while a file was written to it; run it again")
            self.operations.append(encode_cold_file(MANIFEST, partition_id, file))
