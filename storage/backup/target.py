"""BackupTarget stores and fetches the files of backups; each is compared with its checksum, both ways.

A target is told what to keep and does not know what it is. One writer at a time; readers may come at any time, since
a file under its name is always whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from storage.backup.record import BackupFile, BackupRecord, decode_backup
from storage.durable_files import content_hash, disk_error, made_folder
from storage.errors import Cancelled, Corruption, NotFound

CHUNK_BYTES: Final = 1 << 20
Stop = Callable[[], bool]
"""Whether to give up; asked between two pieces of work."""


class BackupTarget(Protocol):
    """Raises StorageUnavailable (it refuses), Corruption (bytes are not what they were), Cancelled."""

    def writing(self) -> AbstractContextManager[None]:
        """Be the only one who writes. Raises LimitExceeded while another one does."""
        ...

    def records(self) -> Iterator[tuple[str, bytes]]:
        """(backup id, record), oldest first."""
        ...

    def put_record(self, backup_id: str, record: bytes) -> bool:
        """Whole or not at all; False when the id is taken."""
        ...

    def holds(self, file: BackupFile, stop: Stop) -> bool:
        """Whether it has the file, as it should be."""
        ...

    def put(self, file: BackupFile, source: Path, stop: Stop) -> None:
        """Keep a copy of `source`. Raises Corruption when that is not `file`."""
        ...

    def get(self, file: BackupFile, to: Path, stop: Stop) -> None:
        """Write it to `to`, synced. Raises Corruption naming it when it is lost or not what was put."""
        ...


def listed(target: BackupTarget) -> Iterator[BackupRecord | Corruption]:
    """Every backup, oldest first; in its place, what is wrong with one that can't be read."""
    for backup_id, record in target.records():
        try:
            yield decode_backup(record, backup_id)
        except Corruption as error:
            yield error


def chosen(target: BackupTarget, backup_id: str | None) -> BackupRecord:
    """The backup with that id; the newest one without. Raises NotFound, Corruption."""
    found = dict(target.records())
    if not found:
        raise NotFound("there is no backup in that place; SHOW BACKUP lists what a place holds", sqlstate="42704")
    wanted = backup_id or max(found)
    if wanted not in found:
        raise NotFound(f"there is no backup '{wanted[:100]}' there; it has {_some(found)}", sqlstate="42704")
    return decode_backup(found[wanted], wanted)


class Source(Protocol):
    """A file, or what can be read like one."""

    def read(self, size: int, /) -> bytes: ...


class Pieces:
    """Bytes that come in pieces of some size, to be read to the end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int, /) -> bytes:
        """The next piece, however long; nothing at the end."""
        return next((piece for piece in self._pieces if piece), b"")


def copied(source: Source, sinks: Iterable[BinaryIO], stop: Stop) -> tuple[int, str]:
    """Copy to the end; (bytes, blake2b-128 hex) of what went through. Raises Cancelled, OSError."""
    digest, size = content_hash(), 0
    while data := source.read(CHUNK_BYTES):
        if stop():
            raise Cancelled("the copy was cancelled; a backup counts only once it is whole")
        digest.update(data)
        size += len(data)
        for sink in sinks:
            sink.write(data)
    return size, digest.hexdigest()


def read_file(path: Path, stop: Stop) -> tuple[int, str]:
    """(bytes, blake2b-128 hex). Raises Cancelled, OSError."""
    with path.open("rb") as file:
        return copied(file, (), stop)


def received(source: Source, file: BackupFile, to: Path, stop: Stop) -> None:
    """Write what a target gives for `file` to `to`, synced. Raises Corruption, Cancelled, StorageUnavailable (disk)."""
    made_folder(to.parent)
    try:
        with to.open("wb") as sink:
            found = copied(source, (sink,), stop)
            sink.flush()
            os.fsync(sink.fileno())
    except OSError as error:
        raise disk_error(f"'{file.path}' could not be restored", error) from None
    if found != (file.bytes, file.checksum):
        raise Corruption(f"the backup's copy of '{file.path}' does not match its checksum; use another backup")


def _some(found: Iterable[str]) -> str:
    ids = sorted(found, reverse=True)
    return ", ".join(ids[:5]) + (", .." if len(ids) > 5 else "")
