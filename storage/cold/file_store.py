"""FileStore reads and writes the cold files of one storage; FileStores finds the one that a file lies in.

A file's manifest entry names its storage and its path there. New files of a table go where its options say at that
moment, so a table's files may lie in several storages at a time; each is read where it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableDef
from storage.catalog.storages import LOCAL, StorageDef, StorageMode
from storage.errors import NotFound, StorageUnavailable
from storage.state.state import ColdFile


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """How the query engine reads a bucket by itself. alias: stands for the bucket in `FileStore.url`."""

    alias: str
    bucket: str
    region: str
    endpoint: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


class FileStore(Protocol):
    """The cold files of one storage. Paths are relative to its base. Safe from any thread.

    Every method that goes to the storage raises StorageUnavailable when it can't be reached or refuses.
    """

    @property
    def storage(self) -> str:
        """The storage's name."""

    @property
    def base(self) -> str:
        """What the query engine's names for all its files begin with, without a scheme."""

    def sync(self, handle: int) -> None:
        """Make an open part durable. Raises OSError."""

    def part(self, path: str) -> Path:
        """Where the file at `path` grows, on a disk of this machine, until it is published."""

    def url(self, path: str) -> str:
        """What the query engine calls the file."""

    def object_store(self) -> ObjectStore | None:
        """Where `url` leads; None for a folder of this machine. Another value once its credentials were renewed."""

    def is_taken(self, path: str) -> bool:
        """Whether a file is there that a crash may have left."""

    def hold(self, path: str) -> None:
        """The file is being made or waits for its edit: the sweep must leave it."""

    def release(self, path: str) -> None: ...
    def is_held(self, path: str) -> bool: ...

    def publish(self, path: str, checksum: str) -> None:
        """Make a finished part appear as `path`, whole or not at all, compared with `checksum`."""

    def discard(self, path: str) -> None:
        """Remove a file or its part, if there. What can't be removed is left to the sweep."""

    def check(self, path: str, size_bytes: int, checksum: str) -> None:
        """Before a file is read: it is there, and it is what was written. Raises Corruption."""

    def verify(self, path: str, checksum: str) -> None:
        """Compare the whole file. Raises Corruption."""

    def fetched(self, path: str, checksum: str) -> AbstractContextManager[Path]:
        """The whole file, compared, on a disk of this machine. Raises Corruption."""

    def source(self, path: str) -> AbstractContextManager[Any]:
        """What pyarrow reads the file from, here and there."""

    def listed(self) -> Iterator[tuple[str, int]]:
        """(path, modified ms) of every cold file, parts too."""

    def remove(self, path: str) -> int | None:
        """Remove a file that nothing names; its bytes, None when it is gone already."""

    def probe(self) -> None:
        """Write, read and remove a small file."""

    def give_up_ownership(self) -> None:
        """The storage is dropped: somebody else may have the place. Does nothing where somebody else has it already."""


Opener = Callable[[StorageDef, set[str]], FileStore]
"""Makes the `FileStore` of a storage. The set: paths that are held, kept by `FileStores` when a storage is altered."""


class FileStores:
    """The files of all storages. Opened when first asked for, anew when the storage was altered."""

    def __init__(self, local: FileStore, catalog: Callable[[], Catalog], opener: Opener) -> None:
        """catalog: the newest"""
        self.local = local
        self.trouble = ""  # why the last flush failed; "" when it did not
        self._catalog = catalog
        self._opener = opener
        self._open: dict[str, tuple[StorageDef, FileStore]] = {}
        self._held: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def get(self, storage: str) -> FileStore:
        """Raises NotFound, StorageUnavailable (its credentials can't be read)."""
        if storage == LOCAL:
            return self.local
        wanted = self._catalog().storage(storage)
        with self._lock:
            kept = self._open.get(storage)
            if kept is None or (kept[0] is not wanted and kept[0] != wanted):
                kept = (wanted, self._opener(wanted, self._held.setdefault(storage, set())))
                self._open[storage] = kept
            return kept[1]

    def of(self, file: ColdFile) -> FileStore:
        """Where a file lies. Raises as `get`."""
        return self.get(file.storage)

    def every(self) -> list[FileStore]:
        """`local` first. Raises as `get`."""
        return [self.get(name) for name in sorted(self._catalog().storages, key=lambda name: (name != LOCAL, name))]

    def for_table(self, table: TableDef) -> tuple[FileStore, str]:
        """Where new files of a partition go, and in which folder there. Raises as `get`."""
        catalog = self._catalog()
        storage = catalog.storage(storage_of(catalog, table))
        return self.get(storage.name), storage.layout.folder_of(table)

    def release(self, file: ColdFile) -> None:
        """As `FileStore.release`; a storage that is gone holds nothing."""
        if file.storage == LOCAL:
            self.local.release(file.path)
        else:
            self._held.get(file.storage, set()).discard(file.path)

    def discard(self, file: ColdFile) -> None:
        """As `FileStore.discard`. What lies in a storage that is gone or can't be reached stays there."""
        self.release(file)
        with suppress(NotFound, StorageUnavailable):
            self.of(file).discard(file.path)

    def bases(self) -> list[str]:
        """Where the files of each storage that was opened begin, as the query engine shows them."""
        with self._lock:
            return [self.local.base, *(files.base for _, files in self._open.values())]

    def is_writing(self, storage: str) -> bool:
        """Whether files are being made there that no edit names yet."""
        return bool(self._held.get(storage))


def only_local(local: FileStore) -> FileStores:
    """Of a database that has no other storage."""

    def refuse(definition: StorageDef, _: set[str]) -> FileStore:
        raise NotFound(f"storage '{definition.name}' does not exist", sqlstate="42704")

    return FileStores(local, Catalog, refuse)


def storage_of(catalog: Catalog, table: TableDef) -> str:
    """The storage that new files of a partition go to.

    1. without `use_user_storage`, or no user's rows: the table's
    2. the user's storage_mode is 'region' and the user has a storage: the user's
    3. else the table's, which is `local` unless it says otherwise
    """
    if table.options.use_user_storage and table.owner is not None:
        user = catalog.users.get(table.owner.name)
        if user is not None and user.storage_mode == StorageMode.REGION and user.storage:
            return user.storage
    return table.options.storage
