"""`rebuild` makes a new row store when the old one is lost: the catalog of cold tables, their manifest and their keys.

  1. look     at the row store: one that can be read is not replaced
  2. find     copies of manifests, and files; see `salvage_scan`
  3. build    a new row store beside the place of the old one, and read it as a start would
  4. aside    files that are not taken in go to `left-out/`, or the next sweep would remove them
  5. swap     the old row store is renamed, the new one takes its place
Cut off at any moment it can be run again. Hot rows are lost, and so are users, grants, views, jobs, the audit log, and
what was deleted after a copy was written; users who owned rows are made again, without a password.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import msgspec
import numpy as np

from storage.backup.rebuild_keys import live_keys
from storage.backup.salvage_scan import FoundPartition, NameType, Salvage, place_of, salvage
from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE
from storage.catalog.references import with_sound_references
from storage.catalog.schema import NamespaceDef, TableDef
from storage.catalog.storages import LOCAL, LOCAL_STORAGE
from storage.catalog.users import ROOT, Role, UserRecord
from storage.cold.file_names import COPY_NAME, holds_cold_files
from storage.data_directory import COLD, LEFT_OUT, LOCK_FILE, LOST_ROWS, REBUILD_PART, ROWS, DirectoryLock
from storage.durable_files import checksum_of, disk_error, made_folder, sync_folder
from storage.errors import Corruption, InvalidRequest
from storage.rowstore.catalog_records import catalog_operations, format_operation, last_seq_operation, next_id_operation
from storage.rowstore.delete_records import delete_record, purged_record
from storage.rowstore.keys import MANIFEST
from storage.rowstore.manifest_records import encode_cold_file
from storage.rowstore.owners import OwnerKey, owner_operations
from storage.rowstore.row_store import Operation, RowStore
from storage.rowstore.startup_check import check_at_startup
from storage.seq import ms_of


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made; rows: live ones; doubled: rows that a later version replaces, though no copy knew."""

    remains: Salvage
    tables: int
    files: int
    rows: int
    doubled: int
    users: tuple[str, ...]
    old_rows: str | None

    @property
    def is_whole(self) -> bool:
        """Whether all that the copies name was there."""
        return not (self.remains.missing or self.remains.damaged)


def rebuild(directory: Path, to: Path | None, name_type: NameType) -> Rebuilt:
    """Into `to`, a new directory, or in place. Raises InvalidRequest (nothing is lost, or nothing is left)."""
    if not (directory / COLD).is_dir():
        raise InvalidRequest(f"'{directory.name}' is no data directory: there is no folder 'cold' in it")
    lock = DirectoryLock(directory)
    try:
        _check_lost(directory)
        remains = salvage(directory / COLD, name_type)
        if not remains.partitions:
            raise InvalidRequest(f"'{directory.name}' has no cold files to rebuild tables from")
        return _rebuild_in(directory, directory, remains) if to is None else _rebuild_to(directory, to, remains)
    except OSError as error:
        raise disk_error("the row store could not be rebuilt", error) from None
    finally:
        lock.release()


def _check_lost(directory: Path) -> None:
    try:
        found = check_at_startup(directory / ROWS, partial(holds_cold_files, directory / COLD))
    except Corruption:
        return
    if found is not None:
        raise InvalidRequest(f"the row store of '{directory.name}' can be read: there is nothing to recover")


def _rebuild_to(directory: Path, to: Path, remains: Salvage) -> Rebuilt:
    made_folder(to)
    lock = DirectoryLock(to)
    try:
        others = [path.name for path in to.iterdir() if path.name not in (LOCK_FILE, REBUILD_PART, COLD)]
        if others:
            raise InvalidRequest(f"directory '{to.name}' is not empty (holds {others[0]}); recover into a new one")
        for path in sorted(remains.named):
            _linked(directory / COLD / path, to / COLD / path)
        return _rebuild_in(directory, to, remains)
    finally:
        lock.release()


def _linked(source: Path, target: Path) -> None:
    """The same file where that can be, a copy elsewhere. Raises OSError, Corruption."""
    made_folder(target.parent)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        with target.open("rb") as copy:
            os.fsync(copy.fileno())
        if checksum_of(target) != checksum_of(source):
            raise Corruption(f"'{source.name}' was copied and reads differently; the disk may be failing") from None
    sync_folder(target.parent)


def _rebuild_in(source: Path, directory: Path, remains: Salvage) -> Rebuilt:
    """source: whose cold files they are"""
    part = directory / REBUILD_PART
    shutil.rmtree(part, ignore_errors=True)
    figures = _build(part, source / COLD, remains)
    if check_at_startup(part, partial(holds_cold_files, directory / COLD)) is None:
        raise Corruption("the rebuilt row store can't be read; the disk may be failing")
    old = None
    if source == directory:
        _set_aside(directory, remains)
        old = _renamed_old(directory)
    part.rename(directory / ROWS)
    sync_folder(directory)
    tables = {found.table.table_id for found in remains.partitions}
    files = sum(len(found.files) for found in remains.partitions)
    return Rebuilt(remains, len(tables), files, *figures, _owners(remains), old)


def _set_aside(directory: Path, remains: Salvage) -> None:
    local = [path for path in remains.damaged if "://" not in path]
    for path in (*remains.left_out, *local):
        to = directory / LEFT_OUT / path
        made_folder(to.parent)
        (directory / COLD / path).rename(to)
        sync_folder(to.parent)
    copies = filter(Path.is_file, (directory / COLD).rglob(COPY_NAME))
    for copy in copies:  # they are made anew, for the tables that there are
        to = directory / LEFT_OUT / copy.relative_to(directory / COLD)
        made_folder(to.parent)
        shutil.copyfile(copy, to)


def _renamed_old(directory: Path) -> str | None:
    """What the old row store is called now."""
    old = directory / ROWS
    if not old.exists():
        return None
    number = 1
    while (directory / f"{LOST_ROWS}-{number}").exists():
        number += 1
    old.rename(directory / f"{LOST_ROWS}-{number}")
    return f"{LOST_ROWS}-{number}"


def _build(rows: Path, cold: Path, remains: Salvage) -> tuple[int, int]:
    """(live rows, doubled ones). Partitions whose keys can't be read are left out of `remains`."""
    store = RowStore(made_folder(rows))
    try:
        last_seq = _last_seq(remains)
        live = doubled = 0
        tables = _newest_tables(remains)
        for found in list(remains.partitions):
            table = tables[found.table.table_id]
            table = table if found.table.owner is None else table.owned_by(found.table.owner)
            if _has_unreachable_keys(cold, found):
                remains.partitions.remove(found)
                remains.notes.append(f"table '{table.name}' has a primary key and files that are not here: left out")
                continue
            counts = _write_partition(store, cold, found, table, last_seq)
            live, doubled = live + counts[0], doubled + counts[1]
        store.write(list(_catalog(remains, tables, last_seq)), durable=True)
        return live, doubled
    finally:
        store.close()


def _write_partition(
    store: RowStore, cold: Path, found: FoundPartition, table: TableDef, last_seq: int
) -> tuple[int, int]:
    places = {storage.name: storage for storage in found.storages}
    deletes = dict(zip(found.seqs.tolist(), found.commits.tolist(), strict=True))
    present = np.zeros(len(found.seqs), dtype=bool)
    rows = 0
    replaced: dict[int, int] = {}
    for file in found.files:
        path = place_of(cold, file, places)
        if path is None:
            present[:] = True  # nobody can say which of them it has
            rows += file.rows
            continue
        for seqs, keys in live_keys(store, path, file, table, deletes, replaced):
            present |= np.isin(found.seqs, seqs)
            rows += len(seqs)
            store.write(keys, durable=False)
    kept = {int(s): deletes[int(s)] for s in found.seqs[present]} | replaced
    store.write([*_delete_operations(table.partition_id, kept)], durable=False)
    files = [encode_cold_file(MANIFEST, table.partition_id, file) for file in found.files]
    # What was purged is not known, so no moment before this one can be shown.
    store.write([*files, purged_record(table.partition_id, last_seq)], durable=False)
    return rows - len(kept), len(replaced)


def _delete_operations(partition_id: int, deletes: dict[int, int]) -> Iterator[Operation]:
    by_commit: dict[int, list[int]] = {}
    for seq, commit in sorted(deletes.items()):
        by_commit.setdefault(commit, []).append(seq)
    for commit, seqs in by_commit.items():
        yield delete_record(partition_id, commit, np.array(seqs, np.int64))


def _has_unreachable_keys(cold: Path, found: FoundPartition) -> bool:
    places = {storage.name: storage for storage in found.storages}
    return bool(found.table.primary_key) and any(place_of(cold, file, places) is None for file in found.files)


def _newest_tables(remains: Salvage) -> dict[int, TableDef]:
    """Table id -> its newest definition, without an owner."""
    newest: dict[int, TableDef] = {}
    for found in remains.partitions:
        table = msgspec.structs.replace(found.table, owner=None)
        if found.as_of_seq == 0:
            table = msgspec.structs.replace(table, changed_seq=min(file.seq_min for file in found.files))
        if table.table_id not in newest or table.version > newest[table.table_id].version:
            newest[table.table_id] = table
    return newest


def _catalog(remains: Salvage, tables: dict[int, TableDef], last_seq: int) -> Iterator[Operation]:
    kept = {found.table.table_id for found in remains.partitions}
    owners = {found.table.owner for found in remains.partitions if found.table.owner is not None}
    made_ms = ms_of(last_seq)
    namespaces = {DEFAULT_NAMESPACE, *(tables[id_].name.namespace for id_ in kept)}
    named = {tables[id_].name: tables[id_] for id_ in kept}
    catalog = Catalog(
        namespaces=MappingProxyType({name: NamespaceDef(name=name) for name in namespaces}),
        tables=MappingProxyType(with_sound_references(named)),
        users=MappingProxyType({owner.name: _user(owner.name, made_ms) for owner in owners}),
        storages=MappingProxyType(
            {LOCAL: LOCAL_STORAGE} | {s.name: s for found in remains.partitions for s in found.storages}
        ),
    )
    yield format_operation()
    yield from catalog_operations(Catalog(), catalog, made_ms)
    for owner in owners:
        yield from owner_operations(OwnerKey(owner.name, made_ms), owner.number)
    yield next_id_operation(_highest_id(remains) + 1)
    yield last_seq_operation(last_seq)


def _user(name: str, created_ms: int) -> UserRecord:
    """Without a password until they are given one."""
    role = Role.SYSTEM if name == ROOT else Role.USER
    return UserRecord(name=name, role=role, password_hash="", created_ms=created_ms)


def _owners(remains: Salvage) -> tuple[str, ...]:
    return tuple(sorted({found.table.owner.name for found in remains.partitions if found.table.owner is not None}))


def _highest_id(remains: Salvage) -> int:
    tables = [found.table for found in remains.partitions]
    files = [file.file_id for found in remains.partitions for file in found.files]
    owners = [table.owner.number for table in tables if table.owner is not None]
    return max([*(table.table_id for table in tables), *files, *owners])


def _last_seq(remains: Salvage) -> int:
    found = remains.partitions
    files = [file.seq_max for partition in found for file in partition.files]
    commits = [int(partition.commits.max(initial=0)) for partition in found]
    return max([*files, *commits, *(p.as_of_seq for p in found), *(p.table.changed_seq for p in found)])
