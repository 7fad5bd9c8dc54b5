"""Cleanup removes what a dropped table left behind, step by step.

  1. rows     hot rows, delete records and keys, in one edit
  2. files    some at a time: first the files, then, in one edit, their places in the manifest
  3. records  the table's definitions, those of its bulk loads and, with the same edit, the `dropped` record that says
              all this is to be done
A crash anywhere leaves the `dropped` record, and every step is the same when it is done again. A file that an open
snapshot reads is out of the manifest like the others, and goes when nobody reads it any more (see `obsolete_files`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from storage.errors import NotFound
from storage.failpoints import reach
from storage.rowstore.catalog_records import LOAD_KEYS, loads_into
from storage.rowstore.keys import DELETES, HOT, MANIFEST, META, PK, dropped_range, pk_prefix
from storage.rowstore.manifest_records import decode_cold_file
from storage.rowstore.row_store import RowStore
from storage.state.edits import Edit, ForgetChange, ForgetFiles, ForgetRows, Maintenance
from storage.state.state import ColdFile, file_address

if TYPE_CHECKING:
    from storage.engine import Engine

FILES_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True)
class CleanResult:
    """What one step came to.

    files, bytes: removed from disk
    files_before: in the manifest when the step began; 0 when they were not counted
    is_done:      nothing is left
    is_waiting:   a load into the table is just ending; nothing was done
    """

    files: int = 0
    bytes: int = 0
    files_before: int = 0
    is_done: bool = False
    is_waiting: bool = False


def clean_dropped(
    engine: Engine, partition_id: int, *, count: bool = False, files_at_once: int = FILES_AT_ONCE
) -> CleanResult:
    """One step of what the `dropped` record with this id stands for. Raises StorageUnavailable, Corruption.

    count: whether to count all files first, however many there are
    """
    store = engine.row_store
    start, end = dropped_range(partition_id)
    if engine.keys.is_loading_within(start, end):
        return CleanResult(is_waiting=True)
    if any(store.first_key(family, start, end) is not None for family in (HOT, DELETES, PK)):
        _commit(engine, ForgetRows(partition_id))
        reach("cleanup.after_rows")
    before = sum(1 for _ in _files(store, start, end)) if count else 0
    found = list(islice(_files(store, start, end), files_at_once + 1))
    entries = found[:files_at_once]
    removed = _remove(engine, [file for _, file in entries])
    if len(found) > files_at_once:
        _commit(engine, ForgetFiles(tuple((id_, file.file_id) for id_, file in entries)))
        reach("cleanup.after_files")
        return CleanResult(*removed, before)
    reach("cleanup.before_forget")
    _commit(engine, ForgetChange(partition_id, loads_into(store.scan(META, *LOAD_KEYS), start, end)))
    reach("cleanup.after_forget")
    for waiting in [id_ for id_ in engine.user_partitions.waiting() if start <= pk_prefix(id_) < end]:
        engine.user_partitions.forget(waiting)
    return CleanResult(*removed, before, is_done=True)


def files_needed(engine: Engine, storage: str) -> int:
    """How many files of a storage are needed: of tables that are there, or of a snapshot that is still read."""
    dropped = [dropped_range(dropped.partition_id) for dropped in engine.dropped()]
    kept = (file for id_, file in _files(engine.row_store) if not any(a <= pk_prefix(id_) < b for a, b in dropped))
    named = {file.address for file in kept if file.storage == storage}
    held = {path for path in engine.snapshots.paths_in_use() if path.startswith(file_address(storage, ""))}
    return len(named | held)


def _files(store: RowStore, start: bytes = b"", end: bytes | None = None) -> Iterator[tuple[int, ColdFile]]:
    """(partition id, file) of what is in the manifest."""
    for key, value in store.scan(MANIFEST, start, end):
        yield decode_cold_file(key, value)


def _remove(engine: Engine, files: list[ColdFile]) -> tuple[int, int]:
    """(files, bytes) that are gone by this call."""
    keeps_all = engine.snapshots.keeps_every_file  # asked first: a backup then names its files
    in_use = engine.snapshots.paths_in_use()
    gone = freed = 0
    for file in files:
        if keeps_all or file.address in in_use:
            engine.obsolete_files.add([file])
            continue
        reach("cleanup.before_remove")
        bytes_ = _removed(engine, file)
        reach("cleanup.after_remove")
        if bytes_ is not None:
            gone, freed = gone + 1, freed + bytes_
    engine.rows.forget(frozenset(file.file_id for file in files))
    return gone, freed


def _removed(engine: Engine, file: ColdFile) -> int | None:
    """Its bytes; None when there was nothing to remove. What lies in a storage that is gone stays there."""
    try:
        return engine.file_stores.of(file).remove(file.path)
    except NotFound:
        return None


def _commit(engine: Engine, change: Maintenance) -> None:
    engine.commit(Edit(maintenance=(change,)))
