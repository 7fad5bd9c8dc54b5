"""UserTables reads user tables as a whole: which partitions there are, loaded and unloaded as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from storage.catalog.partition_ids import is_owned, owned_partition, owner_of_partition, table_of_partition
from storage.catalog.schema import Owner, TableDef, TableKind
from storage.cold.obsolete_files import ObsoleteFiles
from storage.commit.committer import Committer
from storage.commit.partition_locks import PartitionLocks
from storage.commit.user_partitions import UserPartitions, attached
from storage.errors import StorageUnavailable
from storage.rowstore.owners import OwnerKey, Owners
from storage.state.edits import Edit, ForgetChange
from storage.state.state import DatabaseState, PartitionState, partitions_by_table


class UserTables:
    """Safe from any thread."""

    def __init__(
        self,
        committer: Committer,
        owners: Owners,
        user_partitions: UserPartitions,
        locks: PartitionLocks,
        obsolete_files: ObsoleteFiles,
    ) -> None:
        self._committer = committer
        self._owners = owners
        self._user_partitions = user_partitions
        self._locks = locks
        self._obsolete_files = obsolete_files

    def owner(self, key: OwnerKey) -> Owner:
        """Whose partitions a user's statements see. While nothing can be written a new user has none."""
        try:
            owner = self._owners.found_or_new(key)
        except StorageUnavailable:
            return Owner(0, key.name)
        self._user_partitions.touch(owner.number)
        return owner

    def owner_numbers(self, table: TableDef) -> list[int]:
        """Of all who have rows in a user table."""
        loaded = [found for found in self._of(table) if not found.is_empty]
        found = {partition.partition_id for partition in loaded}
        return sorted(owner_of_partition(id_) for id_ in found.union(self._user_partitions.stored(table.table_id)))

    def owned_table(self, table: TableDef, partition_id: int) -> TableDef:
        """The table as the owner of the partition sees it; one that is not a user table as it is."""
        if not is_owned(partition_id):
            return table
        return table.owned_by(self._owners.by_number(owner_of_partition(partition_id)))

    def partitions_of(self, table: TableDef) -> Iterator[tuple[TableDef, PartitionState]]:
        """Every partition of a table as it is now, of a user table one after the other, each with its owner's
        definition. Raises Corruption."""
        if table.kind is not TableKind.USER:
            yield table, self._committer.state.partition(table.partition_id)
            return
        for number in self.owner_numbers(table):
            partition_id = owned_partition(table.table_id, number)
            yield self.owned_table(table, partition_id), self._committer.partition(partition_id)

    def partitions_in_memory(self, table: TableDef) -> Iterator[tuple[TableDef, PartitionState]]:
        """As `partitions_of`, of a user table only those that are in memory."""
        if table.kind is not TableKind.USER:
            yield table, self._committer.state.partition(table.partition_id)
            return
        for partition in self._of(table):
            yield self.owned_table(table, partition.partition_id), partition

    def left_since_asked(self) -> Iterator[tuple[TableDef, PartitionState]]:
        """Those that left memory since this was asked before, read from disk: not one moment if somebody writes them
        just now, but then they are in memory again. Raises Corruption."""
        tables = self._committer.state.catalog.tables_by_id
        for partition_id in self._user_partitions.left_since_asked():
            table = tables.get(table_of_partition(partition_id))
            if table is not None:
                owned = self.owned_table(table, partition_id)
                yield owned, self._user_partitions.read(owned)

    def is_hot(self, table: TableDef) -> bool:
        """Whether anybody has hot rows in it, in memory or not."""
        if any(partition.hot for partition in self._of(table)):
            return True
        return table.table_id in self._user_partitions.oldest_waiting()

    def release_idle(self) -> int:
        """Let the partitions of users who are gone leave memory; returns how many."""
        return self._committer.unload(self._user_partitions.idle)

    def forget(self, partition_id: int) -> None:
        """Remove all rows of a partition for good. Raises StorageUnavailable."""
        self._committer.commit(Edit(maintenance=(ForgetChange(partition_id),)))
        self._user_partitions.forget(partition_id)

    def purge(self, table: TableDef, number: int) -> PartitionState | None:
        """Remove what one owner has in a user table, files too once nobody reads them; what it was, None when nothing.

        Raises StorageUnavailable: the rows are gone then, or all there.
        """
        partition_id = owned_partition(table.table_id, number)
        with self._locks.held(partition_id):
            if partition_id not in self._committer.state.partitions and not self._user_partitions.has_rows(
                partition_id
            ):
                return None
            partition = self._committer.partition(partition_id)
            self.forget(partition_id)
            self._obsolete_files.add(partition.cold)
            return partition

    def absent(self, state: DatabaseState, partition_id: int) -> PartitionState:
        """What `DatabaseState.absent` is."""
        return attached(state, partition_id, lambda: self._committer.state, self._committer.partition)

    def _of(self, table: TableDef) -> list[PartitionState]:
        return partitions_by_table(self._committer.state).get(table.table_id, [])
