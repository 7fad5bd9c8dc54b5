"""BackupRecord names every file of a backup, with sizes and checksums.

    TARGET/backups/{backup id}.json         written last, whole or not at all: what has none is no backup
    TARGET/files/{2 hex}/{checksum}         each file once, whichever backups name it

The record holds the checksum of each file, and its own beside itself: no flipped bit goes unnoticed. Files are named by
what they hold, so a later backup into the same target adds only what is new.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

import msgspec

from storage.catalog.storages import LOCAL
from storage.data_directory import COLD, ROWS
from storage.durable_files import content_hash
from storage.errors import Corruption
from storage.seq import written_ms
from storage.state.state import ColdFile

FORMAT: Final = 1
BACKUPS: Final = "backups"
FILES: Final = "files"
RECORD_SUFFIX: Final = ".json"
_CHECKSUM_CHARACTERS: Final = frozenset("0123456789abcdef")


class BackupFile(msgspec.Struct, frozen=True):
    """One file of a data directory.

    path:     where it belongs, below the data directory: `rows/..` or `cold/..`
    checksum: blake2b-128 hex of the whole file, and its name in the target
    """

    path: str
    bytes: int
    checksum: str


class BackupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One backup.

    backup_id:     unique in its target
    taken_ms:      wall time of the moment that it shows
    last_seq:      the newest `_seq` of that moment: every commit up to it is in, none after it
    server:        version of the server that made it
    tables:        how many
    cold_rows:     row versions in Parquet files; hot ones are in the row store's own files
    files_written, bytes_written: what this backup added to the target
    """

    format: int
    backup_id: str
    taken_ms: int
    last_seq: int
    server: str
    tables: int
    cold_rows: int
    files_written: int
    bytes_written: int
    files: tuple[BackupFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in self.files)


class _Sealed(msgspec.Struct, frozen=True):
    checksum: str
    backup: msgspec.Raw


def backup_id_at(taken_ms: int, last_seq: int) -> str:
    """Sorts by time, and says which moment it is."""
    return f"{datetime.fromtimestamp(written_ms(taken_ms) / 1000, tz=UTC):%Y-%m-%dT%H-%M-%S}-{last_seq:x}"


def local_path(file: ColdFile) -> str:
    """Where a cold file is once it is restored, below `cold/`: files of other storages come into folders apart, which
    no namespace can be called like."""
    return file.path if file.storage == LOCAL else f"_{file.storage}/{file.path}"


def stored_name(file: BackupFile) -> str:
    """Below the target."""
    return f"{FILES}/{file.checksum[:2]}/{file.checksum}"


def record_name(backup_id: str) -> str:
    """Below the target."""
    return f"{BACKUPS}/{backup_id}{RECORD_SUFFIX}"


def encode_backup(record: BackupRecord) -> bytes:
    body = msgspec.json.encode(record)
    return msgspec.json.encode(_Sealed(_checksum(body), msgspec.Raw(body)))


def decode_backup(data: bytes, backup_id: str) -> BackupRecord:
    """Raises Corruption: damaged, of another format, or with files that belong nowhere."""
    try:
        sealed = msgspec.json.decode(data, type=_Sealed)
        if _checksum(bytes(sealed.backup)) != sealed.checksum:
            raise Corruption(f"the record of backup '{backup_id}' does not match its checksum; use another backup")
        record = msgspec.json.decode(sealed.backup, type=BackupRecord)
    except msgspec.MsgspecError as error:
        raise Corruption(f"the record of backup '{backup_id}' can't be read ({error}); use another backup") from None
    if record.format != FORMAT:
        raise Corruption(f"backup '{backup_id}' has format {record.format}, this server reads {FORMAT}")
    if record.backup_id != backup_id:
        raise Corruption(f"the record of backup '{backup_id}' is that of '{record.backup_id}'")
    for file in record.files:
        _check_place(file, backup_id)
    return record


def _check_place(file: BackupFile, backup_id: str) -> None:
    """Nothing is ever written outside of `rows` and `cold`, whatever a record says."""
    path = PurePosixPath(file.path)
    is_inside = len(path.parts) > 1 and path.parts[0] in (ROWS, COLD) and ".." not in path.parts
    is_plain = str(path) == file.path and "\0" not in file.path
    if not (is_inside and is_plain and len(file.checksum) == 32 and set(file.checksum) <= _CHECKSUM_CHARACTERS):
        raise Corruption(f"backup '{backup_id}' names a file that belongs nowhere: '{file.path[:100]}'")


def _checksum(body: bytes) -> str:
    return content_hash(body).hexdigest()
