"""The data directory: names of all that is in it, its lock, and the swap that ends a restore.

    frostline.lock    who holds it
    rows/             RocksDB: hot rows and everything that must be atomic
    cold/             Parquet files of the storage `local`, {namespace}/{table}/{file}
    spool/            cold files on their way to other storages
    checkpoint.*/     a copy of `rows` while a backup is taken
    restore.part/     what a restore brings; restore.ready: it is whole, and the next start takes it over
    restore.replaced/ what it takes the place of
    rows.part/        a row store that `frostline recover` makes anew; rows.lost*/: the one before it
    left-out/         files that it could make nothing of

The kernel's lock (flock) decides and dies with its process, so a file left by a crash is taken over. The text in
the file, process id and host, is for the message alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from pathlib import Path
from typing import Final

from storage.durable_files import disk_error, made_folder, sync_folder
from storage.errors import InvalidRequest, StorageUnavailable
from storage.failpoints import reach

LOCK_FILE: Final = "frostline.lock"
ROWS: Final = "rows"
COLD: Final = "cold"
SPOOL: Final = "spool"
CHECKPOINT_PREFIX: Final = "checkpoint."
RESTORE_PART: Final = "restore.part"
RESTORE_READY: Final = "restore.ready"
RESTORE_REPLACED: Final = "restore.replaced"
REBUILD_PART: Final = "rows.part"
LOST_ROWS: Final = "rows.lost"
LEFT_OUT: Final = "left-out"


class DirectoryInUse(StorageUnavailable):
    """Another server holds the data directory; stop it or choose another directory."""

    sqlstate = "55006"


class DirectoryLock:
    """Held from construction to `release`."""

    def __init__(self, directory: Path) -> None:
        """Raises DirectoryInUse naming the holder."""
        self._file = (directory / LOCK_FILE).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "an unknown process"
            self._file.close()
            raise DirectoryInUse(f"data directory '{directory.name}' is in use by {holder}") from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the directory up."""
        self._file.truncate(0)
        self._file.close()


def remove_checkpoints(directory: Path) -> None:
    """Those that a crash left in a data directory."""
    for folder in directory.glob(f"{CHECKPOINT_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def forget_staged(directory: Path) -> None:
    """Remove what was staged, if anything is."""
    (directory / RESTORE_READY).unlink(missing_ok=True)
    shutil.rmtree(directory / RESTORE_PART, ignore_errors=True)


def take_over(directory: Path) -> bool:
    """Put a finished restore in its place, for whoever holds the directory's lock; whether there was one.

    Raises InvalidRequest: a restore was begun and not finished, and there is nothing else to serve.
    """
    remove_checkpoints(directory)
    staged = directory / RESTORE_PART
    if not (directory / RESTORE_READY).exists():
        if staged.exists() and not (directory / ROWS / "CURRENT").exists():
            raise InvalidRequest(
                f"data directory '{directory.name}' holds a restore that was not finished; "
                "run frostline restore again, or remove the directory"
            )
        return False
    try:
        reach("restore.before_swap")
        _swap(directory, ROWS)
        reach("restore.between_swaps")
        _swap(directory, COLD)
        reach("restore.after_swap")
        shutil.rmtree(staged, ignore_errors=True)
        (directory / RESTORE_READY).unlink()
        sync_folder(directory)
    except OSError as error:
        raise disk_error("the restored database could not be put in its place", error) from None
    shutil.rmtree(directory / RESTORE_REPLACED, ignore_errors=True)  # the empty database that a new server had made
    return True


def _swap(directory: Path, name: str) -> None:
    """Put the staged folder in its place. Safe to repeat, cut off anywhere."""
    staged, place, replaced = directory / RESTORE_PART / name, directory / name, directory / RESTORE_REPLACED / name
    if not staged.exists():
        return
    if place.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        made_folder(replaced.parent)
        place.rename(replaced)
    staged.rename(place)
    sync_folder(directory)
