"""BackupFolder keeps backups in a folder, of this machine or of one that is mounted.

A file appears under its name whole or not at all: written beside it as `.part`, synced, read back and compared, then
renamed. What is there already is read and compared before it is relied on, and written anew if it is damaged.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage.backup.record import BACKUPS, RECORD_SUFFIX, BackupFile, record_name, stored_name
from storage.backup.target import Stop, copied, read_file, received
from storage.cold.file_names import PART_SUFFIX
from storage.durable_files import disk_error, made_folder, sync_folder, write_synced
from storage.errors import Corruption, LimitExceeded, StorageUnavailable

LOCK_FILE = "backup.lock"


class BackupFolder:
    """See `BackupTarget`."""

    def __init__(self, root: Path) -> None:
        """root: made by the first backup"""
        self._root = root

    @contextmanager
    def writing(self) -> Iterator[None]:
        made_folder(self._root)
        try:
            lock = (self._root / LOCK_FILE).open("a")
        except OSError as error:
            raise disk_error("the backup's folder can't be written to", error) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise LimitExceeded(
                    "another backup is being written to that place; try again when it is done"
                ) from None
            yield

    def records(self) -> Iterator[tuple[str, bytes]]:
        paths = (self._root / BACKUPS).glob(f"*{RECORD_SUFFIX}")
        for backup_id in sorted(path.name.removesuffix(RECORD_SUFFIX) for path in paths):
            try:
                yield backup_id, (self._root / record_name(backup_id)).read_bytes()
            except OSError as error:
                raise StorageUnavailable(f"backup record '{backup_id}' can't be read: {error.strerror}") from None

    def put_record(self, backup_id: str, record: bytes) -> bool:
        path = self._root / record_name(backup_id)
        part = path.with_name(path.name + PART_SUFFIX)
        made_folder(path.parent)
        try:
            write_synced(part, record)
            if part.read_bytes() != record:
                raise StorageUnavailable("a backup's record read back differently; the disk may be failing")
            try:
                os.link(part, path)
            except FileExistsError:
                return False
            finally:
                part.unlink()
            sync_folder(path.parent)
        except OSError as error:
            raise disk_error("a backup's record could not be written", error) from None
        return True

    def holds(self, file: BackupFile, stop: Stop) -> bool:
        path = self._path(file)
        try:
            return path.stat().st_size == file.bytes and read_file(path, stop) == (file.bytes, file.checksum)
        except OSError:
            return False

    def put(self, file: BackupFile, source: Path, stop: Stop) -> None:
        path = self._path(file)
        part = path.with_name(path.name + PART_SUFFIX)
        made_folder(path.parent)
        try:
            with source.open("rb") as origin, part.open("wb") as sink:
                found = copied(origin, (sink,), stop)
                sink.flush()
                os.fsync(sink.fileno())
            if found != (file.bytes, file.checksum):
                raise Corruption(
                    f"'{file.path}' does not match its checksum and can't be backed up; SCRUB ALL tells more"
                )
            if read_file(part, stop) != found:
                raise StorageUnavailable("a file of the backup read back differently; the disk may be failing")
            part.replace(path)
            sync_folder(path.parent)
        except OSError as error:
            raise disk_error("a file of the backup could not be written", error) from None
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def get(self, file: BackupFile, to: Path, stop: Stop) -> None:
        try:
            origin = self._path(file).open("rb")
        except OSError:
            raise Corruption(f"the backup's copy of '{file.path}' is missing; use another backup") from None
        with origin:
            received(origin, file, to, stop)

    def _path(self, file: BackupFile) -> Path:
        return self._root / stored_name(file)
