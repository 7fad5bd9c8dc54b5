"""The door to RocksDB: the only importer of rocksdict.

Guarantees: `write(durable=True)` returns after the write-ahead log is synced; a write is atomic over all
families; opening refuses a database with corruption before the log's tail and drops only an unfinished tail.
Assumes: one process holds the directory (see `lock`). Values are raw bytes: nothing is ever unpickled.
After a write failed, nobody may know whether it is on disk: the store refuses every later write until reopened,
and tries no sync again, since one that succeeds would say nothing of what was lost before.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rocksdict

from storage.errors import Corruption, StorageUnavailable
from storage.failpoints import reach
from storage.keys import FAMILIES

MEMTABLE_BYTES = 32 << 20  # a family; hot batches are also held by the states, so keep RocksDB's share small
LOG_FILES_MAX = 4
EIO_TEXT = os.strerror(errno.EIO)  # "Input/output error", the one reason with a slash in it


@dataclass(frozen=True, slots=True)
class Put:
    family: str
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Remove:
    family: str
    key: bytes


@dataclass(frozen=True, slots=True)
class RemoveRange:
    """Everything in [start, end)."""

    family: str
    start: bytes
    end: bytes


Operation = Put | Remove | RemoveRange


class HotStore:
    """Byte keys and values in named families."""

    def __init__(self, directory: Path) -> None:
        """Open or create. Raises Corruption (damaged before the log's tail), StorageUnavailable."""
        options = _options()
        families = {name: _options() for name in FAMILIES}
        try:
            self._db: Any = rocksdict.Rdict(str(directory), options, column_families=families)
            self._families: dict[str, Any] = {name: self._db.get_column_family(name) for name in FAMILIES}
            self._handles = {name: self._db.get_column_family_handle(name) for name in FAMILIES}
        except Exception as error:
            raise _mapped(error, "can't open the row store") from None
        self.failed: str | None = None

    def get(self, family: str, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._families[family].get(key)
        except Exception as error:
            raise _mapped(error, f"can't read the row store's family '{family}'") from None
        return value

    def scan(self, family: str, start: bytes = b"", end: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end, in key order. Raises Corruption."""
        try:
            found = self._families[family].iter()
            found.seek(start)
            while found.valid() and (end is None or found.key() < end):
                yield found.key(), found.value()
                found.next()
            found.status()  # at damage the iterator just ends, as after the last key: only this tells
        except Exception as error:
            raise _mapped(error, f"can't read the row store's family '{family}'") from None

    def write(self, operations: list[Operation], *, durable: bool) -> None:
        """All of them or none. Raises StorageUnavailable: the outcome is unknown, later writes are refused."""
        if self.failed is not None:
            raise StorageUnavailable(f"the disk refused an earlier write ({self.failed}); restart the server")
        batch = rocksdict.WriteBatch(raw_mode=True)
        for operation in operations:
            self._add(batch, operation)
        try:
            # A write with sync=True keeps Python's lock while the disk works: nobody could join the next group.
            self._db.write(batch, _unsynced())
            if durable:
                reach("log.before_sync")
                self._db.flush_wal(sync=True)
                reach("log.after_sync")
        except Exception as error:
            mapped = _mapped(error, "the disk refused a write")
            self.refuse_writes(mapped.message)
            raise mapped from None

    def refuse_writes(self, why: str) -> None:
        """From now on, until reopened. The first reason stays."""
        self.failed = self.failed or why

    def _add(self, batch: Any, operation: Operation) -> None:
        handle = self._handles[operation.family]
        match operation:
            case Put(_, key, value):
                batch.put(key, value, handle)
            case Remove(_, key):
                batch.delete(key, handle)
            case RemoveRange(_, start, end):
                batch.delete_range(start, end, handle)

    def close(self) -> None:
        """Write memtables out and close; the store can't be used afterwards. Raises StorageUnavailable."""
        self._families.clear()
        self._handles.clear()
        store, self._db = self._db, None
        try:
            store.close()
        except Exception as error:
            if self.failed is None:  # else it is no news: what was acknowledged is in the log
                raise _mapped(error, "can't close the row store; the next start reads its log") from None


def _options() -> Any:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    # A torn tail is what a crash leaves; damage anywhere else must be refused, never skipped.
    options.set_wal_recovery_mode(rocksdict.DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_total_wal_size(4 * MEMTABLE_BYTES)
    options.set_keep_log_file_num(LOG_FILES_MAX)
    options.set_paranoid_checks(True)
    return options


def _unsynced() -> Any:
    options = rocksdict.WriteOptions()
    options.sync = False
    return options


def _mapped(error: Exception, what: str) -> StorageUnavailable | Corruption:
    """rocksdict raises bare exceptions; their text is the only thing to go by. Paths are cut off."""
    text = str(error)
    if "Corruption" in text or "checksum mismatch" in text:
        return Corruption(f"{what}: {_first_words(text)}")
    return StorageUnavailable(f"{what}: {_first_words(text)}")


def _first_words(text: str) -> str:
    """RocksDB writes "Kind: detail: /path/to/file: reason"; keep what holds no path."""
    return ": ".join(part for part in text.split(": ") if "/" not in part or part == EIO_TEXT)[:200]
