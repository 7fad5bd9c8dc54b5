"""ManifestCopies writes `manifest.json` beside each table's Parquet files: all that the row store says about them.

The row store is the truth; nothing reads the copies while it is there. They are for the day on which it is lost: with
them the tables can be rebuilt from the cold files, as of the copy (hot rows are not in it), see `rebuild`.

Rules: written off the commit path, some time after a flush, a compaction, a bulk load or a change of the catalog; for
deletes alone not more often than every `DELETES_SECONDS`, and the less often the more there are to be written; a
copy appears whole or not at all (written beside its name, synced, renamed); one that could not be written, or that a
crash left out, is written at the next change or start. A dropped table's copy is removed.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from storage.catalog.folder_templates import folder_of
from storage.catalog.schema import TableDef, decode_record, encode_record
from storage.catalog.storages import LOCAL, StorageDef
from storage.cold.file_names import COPY_NAME, PART_SUFFIX
from storage.cold.local_store import LocalStore
from storage.durable_files import disk_error, made_folder, sync_folder
from storage.errors import Corruption, StorageUnavailable
from storage.state.delete_set import DeleteChunk, DeleteSet
from storage.state.state import ColdFile, DatabaseState, PartitionState

if TYPE_CHECKING:
    from storage.engine import Engine

FORMAT: Final = 1
DELETES_SECONDS: Final = 30.0  # deletes after a copy come back if the row store is lost before the next one
WRITING_SHARE_MAX: Final = 0.05  # of the time, for one table's deletes


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a copy holds; when and for how long it was written, if that was in this life."""

    table: TableDef | None
    cold: tuple[ColdFile, ...]
    deletes: DeleteSet
    written_seconds: float = -inf
    took_seconds: float = 0.0


_ABSENT: Final = _Shown(None, (), DeleteSet())


class ManifestCopy(msgspec.Struct, frozen=True, kw_only=True):
    """What `manifest.json` holds.

    as_of_seq:       the commit that it shows
    seq_min/max:     over all `files`; 0 without files
    table:           the definition, as the `meta` family has it
    files:           as the `manifest` family has them
    deleted_seqs:    zlib of int64 little-endian: `_seq`s of deleted versions, sorted
    deleted_commits: zlib of int64 little-endian: by which commit, in the same order
    storages:        those that `files` lie in, but `local`, without their credentials
    """

    format: int
    as_of_seq: int
    seq_min: int
    seq_max: int
    table: TableDef
    files: tuple[ColdFile, ...]
    deleted_seqs: bytes
    deleted_commits: bytes
    storages: tuple[StorageDef, ...] = ()

    @property
    def deletes(self) -> tuple[np.ndarray, np.ndarray]:
        """int64, int64: as `DeleteSet.all` has them."""
        return _unpacked(self.deleted_seqs), _unpacked(self.deleted_commits)


def copy_of(state: DatabaseState, table: TableDef, partition: PartitionState) -> ManifestCopy:
    """Of a partition of the table, as `state` has it."""
    deletes = partition.deletes.all
    return ManifestCopy(
        format=FORMAT,
        as_of_seq=state.last_seq,
        seq_min=min((f.seq_min for f in partition.cold), default=0),
        seq_max=max((f.seq_max for f in partition.cold), default=0),
        table=table,
        files=partition.cold,
        deleted_seqs=_packed(deletes.seqs),
        deleted_commits=_packed(deletes.commits),
        storages=tuple(_without_secrets(state.catalog.storages[name]) for name in _storages_of(partition)),
    )


def _storages_of(partition: PartitionState) -> list[str]:
    return sorted({file.storage for file in partition.cold} - {LOCAL})


def _without_secrets(storage: StorageDef) -> StorageDef:
    return msgspec.structs.replace(storage, credentials="")


def read_copy(data: bytes) -> ManifestCopy:
    """Raises Corruption."""
    try:
        return decode_record(data, ManifestCopy)
    except (msgspec.MsgspecError, ValueError, OSError) as error:
        raise Corruption(f"a {COPY_NAME} can't be read: {error}") from None


class ManifestCopies:
    """Keeps the copies like the state. One thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._written: dict[str, _Shown] = {}
        self._bases: set[str] | None = None  # of tables that may have copies

    def write_changed(self) -> int:
        """Write the copies of tables whose definition or files changed; how many. Raises StorageUnavailable.

        While the store takes no writes, nothing is written here either: a sync that succeeds after one that was refused
        would only hide what was lost.
        """
        if self._engine.health != "ok":
            return 0
        files, state = self._engine.files, self._engine.state
        tables = list(state.catalog.tables.values())
        self._remove_dropped({folder_of(table) for table in tables})
        shown = {
            folder_of(t): (t, found) for each in tables for t, found in self._engine.users.partitions_in_memory(each)
        }
        gone = {folder_of(t): (t, found) for t, found in self._engine.users.left_since_asked()}
        changed = 0
        for folder, (table, partition) in (gone | shown).items():
            if not self._is_current(folder, table, partition):
                began = self._engine.clock.monotonic_seconds()
                _write(files, folder, encode_record(copy_of(state, table, partition)))
                now = self._engine.clock.monotonic_seconds()
                self._written[folder] = _Shown(table, partition.cold, partition.deletes, now, now - began)
                changed += 1
        for folder in self._written.keys() - shown.keys():  # of users who are gone: read again if they come back
            del self._written[folder]
        return changed

    def _remove_dropped(self, folders: set[str]) -> None:
        """Copies of tables that are there no more, of all their owners too."""
        files = self._engine.files
        if self._bases is None:
            self._bases = {str(path.relative_to(files.root)) for path in files.root.glob("*/*")}
        for base in self._bases - folders:
            for copy in [*(files.root / base).rglob(COPY_NAME)]:
                _remove(files, str(copy.parent.relative_to(files.root)))
        self._bases = folders

    def _is_current(self, folder: str, table: TableDef, partition: PartitionState) -> bool:
        written = self._written.get(folder)
        if written is None:
            written = self._written[folder] = _found(self._engine.files, folder)
        if written is _ABSENT:
            return not partition.cold  # nothing to be rebuilt
        if written.cold is not partition.cold and written.cold != partition.cold:
            return False
        if written.table is not table and written.table != table:
            return False
        return _are_same(written.deletes, partition.deletes) or self._may_wait(written)

    def _may_wait(self, written: _Shown) -> bool:
        """Nothing but deletes came: whether it is too early to write them."""
        since = self._engine.clock.monotonic_seconds() - written.written_seconds
        return since < max(DELETES_SECONDS, written.took_seconds / WRITING_SHARE_MAX)


def _are_same(written: DeleteSet, now: DeleteSet) -> bool:
    """Those that come are newer, those that go are fewer."""
    return written is now or (len(written), written.newest_commit) == (len(now), now.newest_commit)


def _found(files: LocalStore, folder: str) -> _Shown:
    """What an earlier life wrote. A copy that can't be read counts as one of no table, and is written anew."""
    path = files.root / folder / COPY_NAME
    try:
        copy = read_copy(path.read_bytes())
    except FileNotFoundError:
        return _ABSENT
    except (Corruption, OSError):
        return _Shown(None, (), DeleteSet())
    return _Shown(copy.table, copy.files, DeleteSet((DeleteChunk(*copy.deletes),)))


def _write(files: LocalStore, folder: str, content: bytes) -> None:
    to = files.root / folder / COPY_NAME
    part = to.with_name(COPY_NAME + PART_SUFFIX)
    made_folder(to.parent, files.sync)
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            files.sync(file.fileno())
        part.replace(to)
        sync_folder(to.parent, files.sync)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise disk_error(f"a {COPY_NAME} could not be written", error) from None


def _remove(files: LocalStore, folder: str) -> None:
    for name in (COPY_NAME, COPY_NAME + PART_SUFFIX):
        try:
            (files.root / folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"a {COPY_NAME} could not be removed: {error.strerror}") from None


def _packed(numbers: np.ndarray) -> bytes:
    return zlib.compress(np.asarray(numbers, "<i8").tobytes(), level=1)


def _unpacked(data: bytes) -> np.ndarray:
    return np.frombuffer(zlib.decompress(data), "<i8").astype(np.int64)
