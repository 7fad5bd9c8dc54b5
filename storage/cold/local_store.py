"""LocalStore keeps cold files on a local disk.

A file appears under its name whole or not at all: written beside it as `.part`, synced, read back and compared,
then linked without replacing anything, and the folder synced. What a crash leaves is a `.part` or a file that no
manifest names; the sweep removes both. A sync that the disk refused is told to the engine, which writes no more:
the kernel tells of it once, and a later sync that succeeds says nothing about what was lost before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from storage.catalog.storages import LOCAL
from storage.cold.file_names import COPY_NAME, PART_SUFFIX
from storage.durable_files import NO_ROOM, checksum_of, disk_error, made_folder, sync_folder
from storage.errors import Corruption, StorageUnavailable
from storage.failpoints import reach


@dataclass(frozen=True, slots=True)
class Identity:
    """What changes when a file does."""

    inode: int
    bytes: int
    modified_ns: int


class LocalStore:
    """The `cold` folder of a data directory, or another folder. Paths are relative to it, made of checked names."""

    def __init__(
        self,
        root: Path,
        sync_refused: Callable[[str], None] = lambda why: None,
        *,
        storage: str = LOCAL,
        held: set[str] | None = None,
    ) -> None:
        """sync_refused: called with the reason when the disk refuses a sync, but for want of room."""
        self.root = root
        self.storage = storage
        self._sync_refused = sync_refused
        self._held: set[str] = set() if held is None else held
        self._good: dict[str, Identity] = {}  # files whose checksum was right when they looked like this

    def sync(self, handle: int) -> None:
        """Raises OSError."""
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in NO_ROOM:
                self._sync_refused(f"the disk refused to sync a cold file: {error.strerror}")
            raise

    def full(self, path: str) -> Path:
        return self.root / path

    @property
    def base(self) -> str:
        """What the query engine's names for all its files begin with."""
        return str(self.root)

    def url(self, path: str) -> str:
        """What the query engine calls the file."""
        return str(self.full(path))

    def object_store(self) -> None:
        """The query engine opens the files by their names."""

    def is_taken(self, path: str) -> bool:
        return self.full(path).exists()

    @contextmanager
    def source(self, path: str) -> Iterator[Path]:
        """What pyarrow reads the file from."""
        yield self.full(path)

    @contextmanager
    def fetched(self, path: str, checksum: str) -> Iterator[Path]:
        """The file itself, compared. Raises Corruption."""
        self.verify(path, checksum)
        yield self.full(path)

    def part(self, path: str) -> Path:
        """Where the file at `path` grows until it is published."""
        return self.root / (path + PART_SUFFIX)

    def hold(self, path: str) -> None:
        """The file is being made or waits for its edit: the sweep must leave it."""
        self._held.add(path)

    def release(self, path: str) -> None:
        self._held.discard(path)

    def is_held(self, path: str) -> bool:
        return path.removesuffix(PART_SUFFIX) in self._held

    def publish(self, path: str, checksum: str) -> None:
        """Make a finished part appear as `path`. Raises StorageUnavailable (read back differs, name taken, disk)."""
        part = self.part(path)
        try:
            if checksum_of(part) != checksum:
                raise StorageUnavailable(
                    "a cold file read back differently from what was written; the disk may be failing"
                )
            reach("file.after_read_back")
            os.link(part, self.full(path))
            reach("file.after_link")
            part.unlink()
            reach("file.after_unlink")
            for folder in self.full(path).parents[: len(Path(path).parents)]:  # any of them may be new
                sync_folder(folder, self.sync)
            reach("file.after_folder_sync")
            self._good[path] = _identity(self.full(path))
        except OSError as error:
            raise disk_error("a cold file could not be stored", error) from None

    def discard(self, path: str) -> None:
        """Remove a file or its part, if there."""
        try:
            for leftover in (self.full(path), self.part(path)):
                leftover.unlink(missing_ok=True)
        finally:
            self.release(path)
            self._good.pop(path, None)

    def check(self, path: str, size_bytes: int, checksum: str) -> None:
        """Before a file is read: it is there, and it is what was written. Raises Corruption.

        The whole file is compared once in the life of the process, and again whenever it has changed; after that a
        check costs some microseconds. The engine itself takes a flipped bit for a value and a missing file for no rows.
        """
        try:
            found = _identity(self.full(path))
        except OSError:
            raise Corruption(f"cold file {Path(path).name} is missing; restore it from a backup") from None
        if self._good.get(path) == found:
            return
        if found.bytes != size_bytes:
            raise Corruption(f"cold file {Path(path).name} has another size than was written; restore it from a backup")
        self.verify(path, checksum)
        self._good[path] = found

    def verify(self, path: str, checksum: str) -> None:
        """Raises Corruption when the file is missing or not what was written."""
        try:
            found = checksum_of(self.full(path))
        except OSError:
            self._good.pop(path, None)
            raise Corruption(f"cold file {Path(path).name} is missing or unreadable") from None
        if found != checksum:
            self._good.pop(path, None)  # it may look as it did when it was right
            raise Corruption(f"cold file {Path(path).name} does not match its checksum")

    def listed(self) -> Iterator[tuple[str, int]]:
        """(path, modified ms) of every cold file, parts too; no copies of the manifest."""
        folders = [str(self.root)]
        while folders:
            with suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.name.removesuffix(PART_SUFFIX) != COPY_NAME and (ms := _modified_ms(entry)) is not None:
                        yield entry.path.removeprefix(f"{self.root}/"), ms

    def probe(self) -> None:
        """The data directory: if it could not be written to, nothing would work. Raises StorageUnavailable."""
        made_folder(self.root, self.sync)

    def give_up_ownership(self) -> None:
        """Nobody else has a claim on the data directory."""

    def remove(self, path: str) -> int | None:
        """Remove a file that nothing names; its bytes, None when it is gone already. Raises StorageUnavailable."""
        try:
            freed = self.full(path).stat().st_size
            self.full(path).unlink()
            self._good.pop(path, None)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error("a cold file could not be removed", error) from None
        return freed


def _identity(path: Path) -> Identity:
    found = path.stat()
    return Identity(found.st_ino, found.st_size, found.st_mtime_ns)


def _modified_ms(entry: os.DirEntry[str]) -> int | None:
    """None for what is no file, or was linked or removed meanwhile."""
    try:
        return int(entry.stat().st_mtime * 1000) if entry.is_file() else None
    except FileNotFoundError:
        return None
