"""`take_backup` copies the database, as it is at one moment, while it is at work.

  1. pin      from here on no cold file goes
  2. moment   between two commits the row store is copied (its files are linked, nothing is read): what the backup shows
  3. list     that copy's own manifest names the cold files; from here on only these are kept for it
  4. copy     every file that the target does not hold yet, compared with its checksum before and after
  5. record   the backup exists from here on

Killed before step 5 it leaves files in the target that no record names, which the next backup uses, and a copy of the
row store in the data directory, which the next start removes. Hot rows, delete sets, users, grants and the ledger are
in the row store; keys of tokens are not in the backup.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from storage.backup.record import FORMAT, BackupFile, BackupRecord, backup_id_at, encode_backup, local_path
from storage.backup.target import BackupTarget, Stop, read_file
from storage.catalog.storages import LOCAL
from storage.data_directory import CHECKPOINT_PREFIX, COLD, ROWS
from storage.durable_files import disk_error
from storage.errors import Cancelled
from storage.failpoints import reach
from storage.rowstore.catalog_records import DROPPED_KEYS, read_dropped
from storage.rowstore.keys import MANIFEST, META, dropped_range, pk_prefix
from storage.rowstore.manifest_records import every_file
from storage.rowstore.row_store import RowStore
from storage.state.state import ColdFile, DatabaseState

if TYPE_CHECKING:
    from storage.engine import Engine

IDS_TRIED_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class _Source:
    """A file to be in the backup. opened: has it on a disk of this machine."""

    file: BackupFile
    opened: Callable[[], AbstractContextManager[Path]]


def take_backup(
    engine: Engine, target: BackupTarget, server: str, stop: Stop, report: Callable[[float], None]
) -> BackupRecord:
    """server: its version; report: share done, 0..1.

    Raises Cancelled (nothing that looks like a backup is left), Corruption (a file here is not what was written),
    StorageUnavailable, LimitExceeded (another backup goes to that target).
    """
    with target.writing(), engine.snapshots.pin() as pin, _checkpoint(engine) as (state, taken_ms, rows):
        reach("backup.after_checkpoint")
        cold = _manifest(rows)
        pin.narrow(file.address for file in cold)
        sources = [*_row_files(rows, stop), *_cold_files(engine, cold)]
        written = _copy(sources, target, stop, report)
        reach("backup.before_record")
        record = BackupRecord(
            format=FORMAT,
            backup_id=backup_id_at(taken_ms, state.last_seq),
            taken_ms=taken_ms,
            last_seq=state.last_seq,
            server=server,
            tables=len(state.catalog.tables),
            cold_rows=sum(file.rows for file in cold),
            files_written=len(written),
            bytes_written=sum(source.file.bytes for source in written),
            files=tuple(source.file for source in sources),
        )
        record = _put_record(target, record)
        reach("backup.after_record")
        return record


@contextmanager
def _checkpoint(engine: Engine) -> Iterator[tuple[DatabaseState, int, Path]]:
    """(state, its wall time in ms, the copy of the row store that shows it)."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=CHECKPOINT_PREFIX, dir=engine.directory))
    except OSError as error:
        raise disk_error("the row store can't be copied", error) from None
    try:
        state = engine.checkpoints.checkpoint(folder / ROWS)
        yield state, engine.clock.wall_ms(), folder / ROWS
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _manifest(rows: Path) -> list[ColdFile]:
    """The cold files that count at the moment of the copy, of partitions that nobody has touched yet too."""
    store = RowStore(rows, read_only=True)
    try:
        return list(needed_files(store))
    finally:
        store.close()


def needed_files(store: RowStore) -> Iterator[ColdFile]:
    """What the manifest names, but for dropped tables: their cleanup removes files first and entries later."""
    dropped = [dropped_range(each.partition_id) for each in read_dropped(store.scan(META, *DROPPED_KEYS))]
    for partition_id, file in every_file(store.scan(MANIFEST)):
        if not any(start <= pk_prefix(partition_id) < end for start, end in dropped):
            yield file


def _here(path: Path) -> Callable[[], AbstractContextManager[Path]]:
    return lambda: nullcontext(path)


def _row_files(rows: Path, stop: Stop) -> Iterator[_Source]:
    for path in sorted(rows.iterdir()):
        if path.name == "LOCK" or path.name.startswith("LOG"):
            continue  # of whoever has it open
        size, checksum = read_file(path, stop)
        yield _Source(BackupFile(f"{ROWS}/{path.name}", size, checksum), _here(path))


def _cold_files(engine: Engine, cold: list[ColdFile]) -> Iterator[_Source]:
    for file in cold:
        backed_up = BackupFile(f"{COLD}/{local_path(file)}", file.bytes, file.checksum)
        if file.storage == LOCAL:
            yield _Source(backed_up, _here(engine.files.full(file.path)))
        else:
            yield _Source(backed_up, partial(engine.file_stores.of(file).fetched, file.path, file.checksum))


def _copy(sources: list[_Source], target: BackupTarget, stop: Stop, report: Callable[[float], None]) -> list[_Source]:
    """Those that were not there yet."""
    bytes_all = sum(source.file.bytes for source in sources)
    bytes_done = 0
    written = []
    for source in sources:
        if stop():
            raise Cancelled("the backup was cancelled; it counts only once it is whole")
        if not target.holds(source.file, stop):
            with source.opened() as path:
                target.put(source.file, path, stop)
            written.append(source)
        reach("backup.after_file")
        bytes_done += source.file.bytes
        report(bytes_done / max(bytes_all, 1))
    return written


def _put_record(target: BackupTarget, record: BackupRecord) -> BackupRecord:
    """Under its id, or the first free one that begins with it: two backups of one moment are two backups."""
    first = record.backup_id
    for number in range(2, IDS_TRIED_MAX):
        if target.put_record(record.backup_id, encode_backup(record)):
            return record
        record = msgspec.structs.replace(record, backup_id=f"{first}-{number}")
    raise Cancelled(f"there are {IDS_TRIED_MAX} backups of this very moment already")
