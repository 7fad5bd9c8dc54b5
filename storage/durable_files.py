"""Durable files: writes and folders that survive a power cut, and checksums of files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import BinaryIO, Final

from storage.errors import DISK_FULL, StorageUnavailable
from storage.failpoints import reach

_READ_BYTES: Final = 1 << 20
NO_ROOM: Final = (ENOSPC, EDQUOT)  # no damage: the file is given up, and written anew when there is room


Sync = Callable[[int], None]
"""Makes an open file durable. Raises OSError."""


def content_hash(data: bytes = b"") -> hashlib.blake2b:
    """Of a file's bytes: blake2b-128, whose hex is its `checksum` in manifests, backups and objects' metadata."""
    return hashlib.blake2b(data, digest_size=16)


class HashingFile:
    """A binary sink that hashes what goes through it; what pyarrow's writer writes into."""

    def __init__(self, path: Path, sync: Sync = os.fsync) -> None:
        made_folder(path.parent, sync)
        self._sync = sync
        try:
            self._file: BinaryIO = path.open("wb", buffering=1 << 20)
        except OSError as error:
            raise disk_error("a cold file could not be created", error) from None
        self._hash = content_hash()
        self.bytes = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """Sync and close. Raises OSError."""
        if self.closed:
            return
        self.closed = True
        with self._file:
            self._file.flush()
            reach("file.before_sync")
            self._sync(self._file.fileno())
            reach("file.after_sync")

    def give_up(self) -> None:
        """Close without sync, whatever the disk says; the file is about to go."""
        self.closed = True
        self._file.raw.close()  # type: ignore[attr-defined]

    @property
    def checksum(self) -> str:
        return self._hash.hexdigest()


def made_folder(path: Path, sync: Sync = os.fsync) -> Path:
    """`path`, created with its parents where missing, each made durable. Raises StorageUnavailable."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for folder in missing:
            sync_folder(folder.parent, sync)
    except OSError as error:
        raise disk_error(f"folder '{path.name}' can't be created", error) from None
    return path


def disk_error(what: str, error: OSError) -> StorageUnavailable:
    """`what` could not be done; nothing is stored by it. A full disk has a SQLSTATE of its own: it may pass."""
    if error.errno in NO_ROOM:
        return StorageUnavailable(f"{what}: the disk is full; try again when there is room", sqlstate=DISK_FULL)
    return StorageUnavailable(f"{what}: {error.strerror}")


def checksum_of(path: Path) -> str:
    """The `content_hash` of a whole file, in hex."""
    digest = content_hash()
    with path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            digest.update(data)
    return digest.hexdigest()


def sync_folder(folder: Path, sync: Sync = os.fsync) -> None:
    """Make its names durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        sync(handle)
    finally:
        os.close(handle)


def write_synced(path: Path, data: bytes) -> None:
    """The file's bytes are on disk; its name is once its folder is synced. Raises OSError."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
