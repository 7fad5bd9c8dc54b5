"""`restore_into` stages a backup in an empty data directory, compares it, and makes it ready to be served.

    DIR/restore.part/    what is being brought back; nothing in it is served
    DIR/restore.ready    all of it is there and was compared: the next start takes it over

  1. stage   every file, each compared with its checksum, into `restore.part`
  2. look    the staged row store is read as a start would read it, and its manifest compared with what was staged
  3. own     jobs of backup and restore are forgotten, cold files of other storages are in `local` from now on, and
             these storages are claimed anew: their places belong to the database that was backed up
  4. ready   written beside its name, synced, renamed
  5. swap    under the directory's lock, before anything is opened: `rows` and `cold` take their places
A crash before 4 leaves a directory that no server starts on without having its own rows; a crash after it, one that
the next start finishes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from storage.backup.record import BackupRecord, local_path
from storage.backup.take_backup import needed_files
from storage.backup.target import BackupTarget, Stop, chosen
from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE
from storage.catalog.storages import LOCAL
from storage.cold.file_names import holds_cold_files
from storage.cold.ownership_marker import new_claim
from storage.data_directory import (
    COLD,
    LOCK_FILE,
    RESTORE_PART,
    RESTORE_READY,
    ROWS,
    DirectoryLock,
    forget_staged,
    take_over,
)
from storage.durable_files import disk_error, made_folder, sync_folder, write_synced
from storage.errors import Cancelled, Corruption, InvalidRequest
from storage.failpoints import reach
from storage.rowstore.catalog_records import catalog_operations, read_meta
from storage.rowstore.keys import JOBS, MANIFEST, META
from storage.rowstore.manifest_records import encode_cold_file, every_file
from storage.rowstore.row_store import Operation, RemoveRange, RowStore
from storage.rowstore.startup_check import check_at_startup
from storage.state.state import DatabaseState

JOBS_LEFT_OUT: Final = (b"BK-", b"RS-")
ROOT_USER: Final = "root"


def restore_into(
    directory: Path, target: BackupTarget, backup_id: str | None, stop: Stop, report: Callable[[float], None]
) -> BackupRecord:
    """A directory that no server uses. It is ready to be served on return.

    Raises InvalidRequest (not empty), NotFound (no such backup), Corruption (it is damaged), StorageUnavailable.
    """
    lock = DirectoryLock(made_folder(directory))
    try:
        others = sorted(path.name for path in directory.iterdir() if path.name not in (LOCK_FILE, RESTORE_PART))
        if others:
            raise InvalidRequest(
                f"data directory '{directory.name}' is not empty (holds {', '.join(others[:3])}); "
                "restore into a new directory"
            )
        record = stage(directory, target, backup_id, stop, report)
        take_over(directory)
        return record
    finally:
        lock.release()


def stage(
    directory: Path, target: BackupTarget, backup_id: str | None, stop: Stop, report: Callable[[float], None]
) -> BackupRecord:
    """Steps 1 to 4. Raises NotFound, Corruption, StorageUnavailable, Cancelled: then nothing is left of it."""
    record = chosen(target, backup_id)
    staged = directory / RESTORE_PART
    forget_staged(directory)
    try:
        _fetch(record, target, staged, stop, report)
        _check(record, staged)
        _make_own(staged / ROWS)
        _sync_folders(staged)
        reach("restore.before_ready")
        _mark_ready(directory, record)
        reach("restore.after_ready")
    except BaseException:
        forget_staged(directory)
        raise
    return record


def check_empty(state: DatabaseState) -> None:
    """Raises InvalidRequest unless the database is as the first start made it."""
    catalog = state.catalog
    found = [
        *(f"table '{name}'" for name in catalog.tables),
        *(f"view '{name}'" for name in catalog.views),
        *(f"namespace '{name}'" for name in catalog.namespaces if name != DEFAULT_NAMESPACE),
        *(f"user '{name}'" for name in catalog.users if name != ROOT_USER),
    ]
    if found:
        raise InvalidRequest(
            f"the database is not empty: it has {found[0]}; restore into a new server, or a new directory with "
            "frostline restore",
            sqlstate="55006",
        )


def _fetch(
    record: BackupRecord, target: BackupTarget, staged: Path, stop: Stop, report: Callable[[float], None]
) -> None:
    bytes_done = 0
    for file in record.files:
        if stop():
            raise Cancelled("the restore was cancelled; the database is as it was")
        target.get(file, staged / file.path, stop)
        reach("restore.after_file")
        bytes_done += file.bytes
        report(bytes_done / max(record.bytes, 1))
    made_folder(staged / COLD)


def _check(record: BackupRecord, staged: Path) -> None:
    """The rows can be read, and each cold file that they name is there, as they say. Raises Corruption."""
    if check_at_startup(staged / ROWS, partial(holds_cold_files, staged / COLD)) is None:
        raise Corruption(f"backup '{record.backup_id}' has no row store; use another backup")
    files = {file.path: (file.bytes, file.checksum) for file in record.files}
    store = RowStore(staged / ROWS, read_only=True)
    try:
        for cold in needed_files(store):
            if files.get(f"{COLD}/{local_path(cold)}") != (cold.bytes, cold.checksum):
                raise Corruption(f"backup '{record.backup_id}' lacks the cold file '{cold.path}'; use another backup")
    finally:
        store.close()


def _make_own(rows: Path) -> None:
    """Else the restored database would go on with the very backup that it comes from, and remove files of the one that
    was backed up from the storages of both."""
    store = RowStore(rows)
    try:
        changes: list[Operation] = [RemoveRange(JOBS, prefix, prefix[:-1] + b".") for prefix in JOBS_LEFT_OUT]
        for partition_id, file in every_file(store.scan(MANIFEST)):
            if file.storage != LOCAL:
                here = msgspec.structs.replace(file, storage=LOCAL, path=local_path(file))
                changes.append(encode_cold_file(MANIFEST, partition_id, here))
        catalog = read_meta(store.scan(META)).catalog
        changes += catalog_operations(catalog, _claimed_anew(catalog), now_ms=0)
        store.write(changes, durable=True)
    finally:
        store.close()


def _claimed_anew(catalog: Catalog) -> Catalog:
    claimed = {
        name: storage if name == LOCAL else msgspec.structs.replace(storage, claim=new_claim())
        for name, storage in catalog.storages.items()
    }
    return replace(catalog, storages=MappingProxyType(claimed))


def _sync_folders(root: Path) -> None:
    try:
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            sync_folder(folder)
    except OSError as error:
        raise disk_error("what was restored could not be synced", error) from None


def _mark_ready(directory: Path, record: BackupRecord) -> None:
    part = directory / RESTORE_PART / RESTORE_READY
    try:
        write_synced(part, record.backup_id.encode())
        part.replace(directory / RESTORE_READY)
        sync_folder(directory)
    except OSError as error:
        raise disk_error("the restore could not be finished", error) from None
