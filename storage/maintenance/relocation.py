"""Relocation moves cold files to the storage that their table, or their user, is set to now; one file an edit.

  1. copy      the file is fetched, compared, and published in the other storage under a name of its own
  2. commit    one edit: the manifest names the copy instead
  3. retire    the old file goes as soon as no snapshot names it
A crash before 2 leaves a copy that nothing names, one after it the old file: the sweep takes either. Rows, `_seq`s and
deletes stay what they are.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import msgspec

from storage.catalog.catalog import Catalog
from storage.catalog.partition_ids import is_owned, table_of_partition
from storage.catalog.schema import TableDef, TableKind
from storage.cold.file_names import FILE_SUFFIX
from storage.cold.file_store import storage_of
from storage.durable_files import disk_error, made_folder
from storage.errors import Cancelled, StorageUnavailable
from storage.maintenance.written_files import discarded_if_refused
from storage.rowstore.keys import MANIFEST
from storage.rowstore.manifest_records import decode_cold_file
from storage.state.edits import CompactChange, Edit
from storage.state.state import ColdFile, PartitionState

if TYPE_CHECKING:
    from storage.engine import Engine

_MOVED: Final = re.compile(r"-m[0-9a-f]+$")


def misplaced(catalog: Catalog, table: TableDef, partition: PartitionState) -> ColdFile | None:
    """The first file that lies elsewhere than new ones would; None when all are where they belong."""
    wanted = storage_of(catalog, table)
    return next((file for file in partition.cold if file.storage != wanted), None)


def misplaced_tables(engine: Engine) -> set[int]:
    """Ids of the tables with a file elsewhere than new ones would go, in memory or not. Reads the whole manifest."""
    catalog = engine.state.catalog
    tables = catalog.tables_by_id
    found: set[int] = set()
    for key, value in engine.row_store.scan(MANIFEST):
        partition_id, file = decode_cold_file(key, value)
        table = tables.get(table_of_partition(partition_id) if is_owned(partition_id) else partition_id)
        if table is None or table.table_id in found:
            continue
        if file.storage != storage_of(catalog, engine.users.owned_table(table, partition_id)):
            found.add(table.table_id)
    return found


def move_step(engine: Engine, table: TableDef, cancelled: Callable[[], bool]) -> ColdFile | None:
    """Move one file; what it became, None when all are in their place.

    Raises Cancelled, NotFound (the table was dropped), Conflict, StorageUnavailable, Corruption.
    """
    for owned, partition in engine.users.partitions_of(table):
        if misplaced(engine.state.catalog, owned, partition) is not None:
            moved = _move_one(engine, owned, cancelled)
            if moved is not None:
                return moved
    return None


def _move_one(engine: Engine, table: TableDef, cancelled: Callable[[], bool]) -> ColdFile | None:
    with engine.partition_locks.held(table.partition_id), engine.snapshot() as snapshot:
        state = snapshot.state
        table = state.catalog.table_by_id(table)
        file = misplaced(state.catalog, table, state.partition(table.partition_id))
        if file is None:
            return None
        if cancelled():
            raise Cancelled("the move was cancelled; files that are moved stay where they are now")
        copy = _copied(engine, table, file)
        with discarded_if_refused(engine, (copy,), table.partition_id):
            engine.commit(Edit(maintenance=(CompactChange(table.partition_id, (file.file_id,), (copy,)),)))
    engine.obsolete_files.add([file])
    with suppress(StorageUnavailable):  # it goes later
        engine.obsolete_files.remove_unused()
    return copy


def _copied(engine: Engine, table: TableDef, file: ColdFile) -> ColdFile:
    files, folder = engine.file_stores.for_table(table)
    file_id = engine.new_id()
    stem = _MOVED.sub("", PurePosixPath(file.path).name.removesuffix(FILE_SUFFIX))
    path = f"{folder}/{stem}-m{file_id:x}{FILE_SUFFIX}"
    files.hold(path)
    try:
        with engine.file_stores.of(file).fetched(file.path, file.checksum) as source:
            part = files.part(path)
            made_folder(part.parent, files.sync)
            with source.open("rb") as there, part.open("wb") as here:
                shutil.copyfileobj(there, here, 1 << 20)
                here.flush()
                files.sync(here.fileno())
            files.publish(path, file.checksum)
    except BaseException as error:
        with suppress(OSError):
            files.discard(path)
        if isinstance(error, OSError):
            raise disk_error("a cold file could not be moved", error) from None
        raise
    return msgspec.structs.replace(file, file_id=file_id, path=path, storage=files.storage)


def placement(catalog: Catalog) -> tuple[object, ...]:
    """All that decides where files belong: two catalogs with the same one have the same files in the wrong place."""
    tables = sorted((t.table_id, t.options.storage, t.options.use_user_storage) for t in catalog.tables.values())
    asks_users = any(t.options.use_user_storage and t.kind is TableKind.USER for t in catalog.tables.values())
    users = sorted((u.name, u.storage, u.storage_mode) for u in catalog.users.values()) if asks_users else ()
    return (*tables, *users)
