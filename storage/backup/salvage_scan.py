"""The salvage scan finds what is left of a database whose row store is lost: copies of the manifest, Parquet files.

  1. copies   of each partition the newest one that can be read; each file that it names is compared with its checksum
  2. younger  a file beside them that no copy names and whose rows are all younger is what a flush had just written:
              its rows were acknowledged, so it is taken in
  3. footers  a folder with files and no copy: the columns are in the files themselves, no keys, options or deletes
All other files that nothing names are left out: what a compaction had replaced or not yet made live, and bulk loads of
which nobody can say whether they were committed. Nothing is changed here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from storage.backup.manifest_copy import ManifestCopy, read_copy
from storage.catalog.folder_templates import name_of_folder
from storage.catalog.names import TableName, table_name
from storage.catalog.schema import PORTABLE, Column, TableDef, TableKind
from storage.catalog.storages import LOCAL, StorageDef, StorageType
from storage.catalog.table_options import TableOptions
from storage.cold.file_names import COPY_NAME, FILE_SUFFIX
from storage.cold.parquet import read_footer
from storage.durable_files import checksum_of
from storage.errors import Corruption, InvalidRequest
from storage.state.state import ColdFile

NameType = Callable[[pa.DataType], str]
"""What SQL calls an Arrow type."""

_LOAD: Final = re.compile(r"-load-[0-9a-f]+\.parquet$")
_TIME: Final = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-")
_TABLE_PARTS: Final = 2  # of a folder: namespace and table


@dataclass(frozen=True, slots=True, eq=False)
class FoundPartition:
    """One partition, as far as it is there.

    table:     with its owner, if it has one
    files:     all of them are there and as they were written
    seqs, commits: int64, int64: deleted versions and by what
    as_of_seq: of the copy; 0 = from footers
    storages:  other than `local`, in which files lie
    """

    table: TableDef
    files: tuple[ColdFile, ...]
    seqs: np.ndarray
    commits: np.ndarray
    as_of_seq: int
    storages: tuple[StorageDef, ...] = ()


@dataclass(slots=True)
class Salvage:
    """partitions: what can be rebuilt; the rest is for people: paths below `cold`, and sentences."""

    partitions: list[FoundPartition] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def named(self) -> set[str]:
        """Paths of the local files that are taken in."""
        return {file.path for found in self.partitions for file in found.files if file.storage == LOCAL}


def salvage(cold: Path, name_type: NameType) -> Salvage:
    """Look through a `cold` folder. Reads every file."""
    remains = Salvage()
    copies = _newest(_copies(cold, remains), remains)
    unnamed = _unnamed(cold, copies)
    for copy in copies:
        remains.partitions.append(_from_copy(cold, copy, unnamed, remains))
    known = {found.table.name for found in remains.partitions}
    for folder, paths in sorted(_by_folder(unnamed).items()):
        found = None if _is_known(folder, known) else _from_footers(cold, folder, paths, name_type, remains)
        if found is None:
            remains.left_out += paths
        else:
            remains.partitions.append(found)
    return _with_own_ids(remains)


def _copies(cold: Path, remains: Salvage) -> Iterator[ManifestCopy]:
    for path in sorted(filter(Path.is_file, cold.rglob(COPY_NAME))):
        try:
            yield read_copy(path.read_bytes())
        except (Corruption, OSError):
            remains.notes.append(f"{path.relative_to(cold)} can't be read: its files are looked at alone")


def _newest(copies: Iterable[ManifestCopy], remains: Salvage) -> list[ManifestCopy]:
    """Of each partition the newest, and of tables of one name the newest."""
    by_partition: dict[int, ManifestCopy] = {}
    for copy in sorted(copies, key=lambda copy: copy.as_of_seq):
        by_partition[copy.table.partition_id] = copy
    owners_of_name = {copy.table.name: copy.table.table_id for copy in by_partition.values()}
    for copy in by_partition.values():
        if owners_of_name[copy.table.name] != copy.table.table_id:
            remains.notes.append(f"an older table '{copy.table.name}' was there too: its files are left out")
    return [copy for copy in by_partition.values() if owners_of_name[copy.table.name] == copy.table.table_id]


def _unnamed(cold: Path, copies: list[ManifestCopy]) -> list[str]:
    named = {file.path for copy in copies for file in copy.files if file.storage == LOCAL}
    paths = (path.relative_to(cold).as_posix() for path in filter(Path.is_file, cold.rglob(f"*{FILE_SUFFIX}")))
    return sorted(path for path in paths if path not in named)


def _from_copy(cold: Path, copy: ManifestCopy, unnamed: list[str], remains: Salvage) -> FoundPartition:
    """Takes what it can use out of `unnamed`."""
    places = {storage.name: storage for storage in copy.storages}
    files = [file for file in copy.files if _is_whole(cold, file, places, remains)]
    folders = {str(PurePosixPath(file.path).parent) for file in copy.files if file.storage == LOCAL}
    youngest = max((file.seq_max for file in copy.files), default=0)
    for path in [path for path in unnamed if str(PurePosixPath(path).parent) in folders]:
        file = _younger(cold, path, youngest, copy.table)
        if file is not None:
            files.append(file)
            youngest = file.seq_max
            unnamed.remove(path)
            remains.notes.append(f"{path} was just flushed and is taken in")
    seqs, commits = copy.deletes
    return FoundPartition(copy.table, tuple(files), seqs, commits, copy.as_of_seq, copy.storages)


def _is_whole(cold: Path, file: ColdFile, places: dict[str, StorageDef], remains: Salvage) -> bool:
    """Compared with its checksum where that can be done; what lies in S3 is left to the scrub."""
    path = place_of(cold, file, places)
    if path is None:
        remains.notes.append(f"{file.address} is not compared: it is not on this machine")
        return True
    try:
        same = checksum_of(path) == file.checksum
    except OSError:
        remains.missing.append(file.address)
        return False
    if not same:
        remains.damaged.append(file.address)
    return same


def place_of(cold: Path, file: ColdFile, places: dict[str, StorageDef]) -> Path | None:
    """Where the file is on this machine; None when it is not."""
    if file.storage == LOCAL:
        return cold / file.path
    storage = places.get(file.storage)
    if storage is None or storage.type is not StorageType.FILESYSTEM:
        return None
    return Path(storage.directory) / file.path


def _younger(cold: Path, path: str, than_seq: int, table: TableDef) -> ColdFile | None:
    """The file as a manifest would describe it; None unless all its rows are younger and columns of the table."""
    if _LOAD.search(path):
        return None
    try:
        file = _described(cold, path, table.version)
    except Corruption:
        return None
    known = {column.physical_name for column in table.columns} | set(table.retired_names)
    return file if file.seq_min > than_seq and set(file.column_names) <= known else None


def _described(cold: Path, path: str, version: int) -> ColdFile:
    """Its id is given later. Raises Corruption."""
    full = cold / path
    footer = read_footer(full)
    return ColdFile(
        file_id=0,
        path=path,
        rows=footer.rows,
        bytes=full.stat().st_size,
        seq_min=footer.seq_min,
        seq_max=footer.seq_max,
        schema_version=version,
        checksum=checksum_of(full),
        column_names=tuple(footer.schema.names),
        column_stats=footer.column_stats,
        column_bytes=footer.column_bytes,
        created_ms=_created_ms(path),
    )


def _created_ms(path: str) -> int:
    match = _TIME.match(PurePosixPath(path).name)
    if match is None:
        return 0
    return int(datetime.strptime(match[1], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC).timestamp() * 1000)


def _by_folder(paths: list[str]) -> dict[str, list[str]]:
    folders: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        folders[str(PurePosixPath(path).parent)].append(path)
    return folders


def _is_known(folder: str, known: set[TableName]) -> bool:
    """Files beside those of a table that has a copy: all that they could be was looked at."""
    parts = folder.split("/")
    try:
        return _table_of(parts[:_TABLE_PARTS]) in known
    except InvalidRequest:
        return False


def _table_of(parts: list[str]) -> TableName:
    """Which table's files such folders hold. Raises InvalidRequest."""
    names = [name_of_folder(part) for part in parts]
    if len(names) != _TABLE_PARTS or names[0] is None or names[1] is None:
        raise InvalidRequest("it is no table of one folder")
    return table_name(names[0], names[1])


def _from_footers(
    cold: Path, folder: str, paths: list[str], name_type: NameType, remains: Salvage
) -> FoundPartition | None:
    """A table of what the files hold. Of files whose rows overlap the last one counts, as a compaction leaves them."""
    try:
        name = _table_of(folder.split("/"))
        files = [_described(cold, path, 1) for path in paths if not _LOAD.search(path)]
    except (InvalidRequest, Corruption) as error:
        remains.notes.append(f"{folder} is left out: {error.message}")
        return None
    kept = _without_replaced(files)
    remains.left_out += sorted(set(paths) - {file.path for file in kept})
    if not kept:
        return None
    columns = _columns(cold, kept, name_type)
    remains.notes.append(f"table '{name}' had no copy of its manifest: first names of columns, no keys, no deletes")
    table = TableDef(
        table_id=0, name=name, kind=TableKind.SHARED, columns=columns, options=TableOptions(), folder_rule=PORTABLE
    )
    nothing = np.empty(0, np.int64)
    return FoundPartition(table, tuple(kept), nothing, nothing, 0)


def _without_replaced(files: list[ColdFile]) -> list[ColdFile]:
    """The youngest files first: what overlaps one of these was merged into it."""
    kept: list[ColdFile] = []
    for file in sorted(files, key=lambda file: (file.created_ms, file.rows), reverse=True):
        if all(file.seq_max < other.seq_min or file.seq_min > other.seq_max for other in kept):
            kept.append(file)
    return sorted(kept, key=lambda file: file.seq_min)


def _columns(cold: Path, files: list[ColdFile], name_type: NameType) -> tuple[Column, ...]:
    types: dict[str, pa.DataType] = {}
    for file in files:
        types |= {found.name: found.type for found in read_footer(cold / file.path).schema}
    return tuple(Column(name=n, physical_name=n, type=t, sql_type=name_type(t)) for n, t in types.items())


def _with_own_ids(remains: Salvage) -> Salvage:
    """Tables and files that no copy knows get ids that none has."""
    ids = [found.table.table_id for found in remains.partitions]
    ids += [file.file_id for found in remains.partitions for file in found.files]
    ids += [found.table.owner.number for found in remains.partitions if found.table.owner is not None]
    free = iter(range(max(ids, default=0) + 1, 1 << 62))
    for index, found in enumerate(remains.partitions):
        table = found.table if found.table.table_id else msgspec.structs.replace(found.table, table_id=next(free))
        files = tuple(f if f.file_id else msgspec.structs.replace(f, file_id=next(free)) for f in found.files)
        remains.partitions[index] = FoundPartition(
            table, files, found.seqs, found.commits, found.as_of_seq, found.storages
        )
    return remains
