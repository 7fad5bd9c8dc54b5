"""RowStore reads and writes RocksDB: the only importer of rocksdict.

Guarantees: `write(durable=True)` returns after the write-ahead log is synced; a write is atomic over all
families; opening refuses a database with corruption before the log's tail and drops only an unfinished tail.
Assumes: one process holds the directory (see `data_directory`). Values are raw bytes: nothing is ever unpickled.
After a write failed, nobody may know whether it is on disk: the store refuses every later write until reopened. In the
life of a process it is reopened only if all that was wrong was a full disk; a sync that failed is never tried again.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import rocksdict

from storage.errors import DISK_FULL, Corruption, StorageUnavailable
from storage.failpoints import reach
from storage.rowstore.keys import FAMILIES

# Of all families together: hot batches are also held by the states, so keep RocksDB's share small. With a limit for
# each (32 MiB), those that are seldom written fill theirs over hours: 800 tables that came and went left 25 MB behind.
MEMTABLES_BYTES: Final = 16 << 20
LOG_FILES_MAX = 4
EIO_TEXT = os.strerror(errno.EIO)  # "Input/output error", the one reason with a slash in it
LEVELS: Final = 7  # RocksDB's own number of them
SMALL_TABLES_MAX: Final = 8  # of a family; each takes a file handle
SMALL_TABLE_BYTES: Final = 1 << 20
PART_ENTRIES: Final = 10_000  # read at once by a scrub
ROOM_BYTES_MIN: Final = 2 << 20  # free beyond what reopening writes, before a full disk counts as mended
LEFT_PAUSE_SECONDS: Final = 0.02
LEFT_TRIES: Final = 500  # reads under way end well before; until then the old store holds its lock


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


# RocksDB's guess; `log_check` knows.
_BLAMED: Final = re.compile(r"(?<!\s)\s*+The file MANIFEST-\d+ may be corrupted\.?")
_FILE_NAME: Final = re.compile(r"\b(\d+\.(sst|log)|MANIFEST-\d+|CURRENT|OPTIONS-\d+)\b")


@dataclass(frozen=True, slots=True)
class PutEach:
    """Many keys that begin alike; `values` side by side, all of one width."""

    family: str
    prefix: bytes
    keys: Sequence[bytes]
    values: bytes

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        width = len(self.values) // len(self.keys) if self.keys else 0
        for at, key in enumerate(self.keys):
            yield self.prefix + key, self.values[at * width : (at + 1) * width]


Operation = Put | PutEach | Remove | RemoveRange


class RowStore:
    """Byte keys and values in named families."""

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        """Open or create; `read_only` neither creates nor writes anything.

        Raises Corruption (damaged before the log's tail), StorageUnavailable."""
        self.directory = directory
        self._read_only = read_only
        self._families: dict[str, Any] = {}
        self._handles: dict[str, Any] = {}
        self._settled = threading.Event()  # not set while it is being reopened
        self._failing = threading.Lock()
        self.failed: str | None = None
        self.is_full = False  # `failed` for want of room and nothing else
        self._open()

    def _open(self) -> None:
        access = rocksdict.AccessType.read_only() if self._read_only else rocksdict.AccessType.read_write()
        try:
            names = self._names()
            families = {name: _options() for name in names}
            self._db: Any = rocksdict.Rdict(str(self.directory), _options(), families, access)
            self._handles = {name: self._db.get_column_family_handle(name) for name in names}
            self._families = {name: self._db.get_column_family(name) for name in names}
        except Exception as error:
            raise self._mapped(error, "can't open the row store") from None
        self._settled.set()

    def _names(self) -> list[str]:
        """The families to open: what reads only can create none that a crash or an older version left out."""
        if not self._read_only:
            return list(FAMILIES)
        present = rocksdict.Rdict.list_cf(str(self.directory))
        return [name for name in FAMILIES if name in present]

    def get(self, family: str, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._families[family].get(key)
        except Exception as error:
            if self._reopens():
                return self.get(family, key)
            raise self._mapped(error, f"can't read the row store's family '{family}'") from None
        return value

    def scan(self, family: str, start: bytes = b"", end: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < end, in key order. Raises Corruption."""
        if self._read_only and family not in self._families:
            return
        self._reopens()
        found = None
        try:
            found = self._families[family].iter(_once())
            found.seek(start)
            while found.valid() and (end is None or found.key() < end):
                yield found.key(), found.value()
                found.next()
            found.status()  # at damage the iterator just ends, as after the last key: only this tells
        except Exception as error:
            raise self._mapped(error, f"can't read the row store's family '{family}'") from None
        finally:
            del found  # an error's traceback would keep it, and it would keep the store from being reopened

    def first_key(self, family: str, start: bytes, end: bytes | None) -> bytes | None:
        """The first key with start <= key < end. Raises Corruption."""
        for key, _ in self.scan(family, start, end):
            return key
        return None

    def read_through(self, family: str) -> Iterator[int]:
        """Have every entry read and its checksum compared; yields how many, part by part. Raises Corruption."""
        start: bytes | None = b""
        while start is not None:
            entries, start = self._read_part(family, start)
            yield entries

    def _read_part(self, family: str, start: bytes) -> tuple[int, bytes | None]:
        """How many entries, and where to go on. A new iterator each time: none is held between two parts."""
        if self._read_only and family not in self._families:
            return 0, None
        self._reopens()
        found = None
        entries = 0
        try:
            found = self._families[family].iter(_once())
            found.seek(start)
            while found.valid() and entries < PART_ENTRIES:
                entries += 1
                found.next()
            found.status()
            return entries, found.key() if found.valid() else None
        except Exception as error:
            raise self._mapped(error, f"can't read the row store's family '{family}'") from None
        finally:
            del found

    def write(self, operations: list[Operation], *, durable: bool) -> None:
        """All of them or none. Raises StorageUnavailable: the outcome is unknown, later writes are refused."""
        self.check_writable()
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
            mapped = self._mapped(error, "the disk refused a write")
            self._refuse(mapped)
            raise mapped from None

    def compact_range(self, families: Sequence[str], start: bytes, end: bytes) -> None:
        """Let no file hold what was removed from [start, end): rewrite the tables that do, and begin a new log.

        RocksDB removes the files that it needs no more, the old log among them, right after. Raises StorageUnavailable,
        Corruption; nothing is lost by either.
        """
        self.check_writable()
        reach("rows.before_squeeze")
        try:
            for family in families:
                self._families[family].compact_range(start, end)
            for opened in self._families.values():  # a log goes when all that is in it is in tables
                opened.flush(True)
                _join_small_tables(opened)
        except Exception as error:
            mapped = self._mapped(error, "the row store can't be rewritten")
            self._refuse(mapped)  # a sync that failed is told of once: what comes after it may be lost
            raise mapped from None

    def checkpoint(self, to: Path) -> None:
        """Make `to`, which is not there yet, a row store like this one. Its tables are the same files, linked.

        Quick after `flush_memtables`; what is written meanwhile is in it or not. Raises StorageUnavailable.
        """
        try:
            rocksdict.Checkpoint(self._db).create_checkpoint(str(to))
        except Exception as error:
            raise self._mapped(error, "the row store can't be copied") from None

    def flush_memtables(self) -> None:
        """Put what is in memory into tables, others writing on meanwhile. Raises StorageUnavailable."""
        self.check_writable()
        self._reopens()
        try:
            for family in list(self._families.values()):
                family.flush(True)
                _join_small_tables(family)
        except Exception as error:
            mapped = self._mapped(error, "the row store can't be written out")
            self._refuse(mapped)
            raise mapped from None

    def check_writable(self) -> None:
        """Raises StorageUnavailable while writes are refused: nothing of this one is stored."""
        failed = self.failed  # once: it may be mended meanwhile
        if failed is None:
            return
        if self.is_full:
            raise StorageUnavailable(f"{failed}; nothing was stored, try again when there is room", sqlstate=DISK_FULL)
        raise StorageUnavailable(f"the disk refused an earlier write ({failed}); restart the server")

    def _refuse(self, error: StorageUnavailable | Corruption) -> None:
        if error.sqlstate != DISK_FULL:
            self.refuse_writes(error.message)
            return
        with self._failing:
            if self.failed is None:
                self.failed, self.is_full = "the disk is full and takes no writes", True

    def has_room(self) -> bool:
        """Whether the disk could take what reopening writes: the rows of the log, as tables, and some."""
        try:
            log_bytes = sum(log.stat().st_size for log in self.directory.glob("*.log"))
            disk = os.statvfs(self.directory)
        except OSError:
            return False
        return disk.f_bavail * disk.f_frsize >= log_bytes + ROOM_BYTES_MIN

    def reopen(self) -> None:
        """Forget all that is in memory and read the disk again. Writes are refused until `accept_writes`.

        Opening writes the rows of the log out anew and syncs them, so it does not matter what a failed sync of the
        log has left on disk: what is read here is on disk afterwards, and what is not read was never acknowledged.
        Raises StorageUnavailable, Corruption; it can be called again.
        """
        self._settled.clear()
        try:
            self._close()
            for _ in range(LEFT_TRIES - 1):
                try:
                    return self._open()
                except StorageUnavailable as error:
                    if "lock" not in error.message:
                        raise
                self._settled.wait(LEFT_PAUSE_SECONDS)  # a read under way on another thread still holds the old one
            self._open()
        finally:
            self._settled.set()

    def accept_writes(self) -> None:
        """Take writes again: the disk has been read anew."""
        with self._failing:
            if self.is_full:
                self.failed, self.is_full = None, False

    def refuse_writes(self, why: str) -> None:
        """From now on, until a restart: room alone does not mend it. The first such reason stays."""
        with self._failing:
            if self.failed is None or self.is_full:
                self.failed, self.is_full = why, False

    def _reopens(self) -> bool:
        """Wait while it is being reopened. Returns whether there was anything to wait for."""
        if self._settled.is_set():
            return False
        return self._settled.wait(2 * LEFT_TRIES * LEFT_PAUSE_SECONDS)

    def _add(self, batch: Any, operation: Operation) -> None:
        handle = self._handles[operation.family]
        match operation:
            case Put(_, key, value):
                batch.put(key, value, handle)
            case PutEach():
                for key, value in operation.pairs():
                    batch.put(key, value, handle)
            case Remove(_, key):
                batch.delete(key, handle)
            case RemoveRange(_, start, end):
                batch.delete_range(start, end, handle)

    def close(self) -> None:
        """Write memtables out and close; the store can't be used afterwards. Raises StorageUnavailable."""
        self._families, self._handles = {}, {}
        store, self._db = self._db, None
        try:
            store.close()
        except Exception as error:
            if self.failed is None:  # else it is no news: what was acknowledged is in the log
                raise self._mapped(error, "can't close the row store; the next start reads its log") from None

    def _close(self) -> None:
        """Close whatever the disk says: what can't be written out is in the log."""
        with suppress(Exception):
            self.close()

    def _mapped(self, error: Exception, what: str) -> StorageUnavailable | Corruption:
        """rocksdict raises bare exceptions; their text is the only thing to go by. Of paths the file's name stays."""
        if not self._families and self.failed is not None:
            return StorageUnavailable(f"{what}: {self.failed}", sqlstate=DISK_FULL if self.is_full else None)
        text = _BLAMED.sub("", str(error).replace(f"{self.directory}/", ""))
        if "Corruption" in text or "checksum mismatch" in text or "No such file" in text:
            return Corruption(f"{what}: {_first_words(text)}{self._where(text)}; use frostline restore or recover")
        if "No space left on device" in text:
            return StorageUnavailable(f"{what}: the disk is full", sqlstate=DISK_FULL)
        return StorageUnavailable(f"{what}: {_first_words(text)}")

    def _where(self, text: str) -> str:
        """RocksDB names the file, but for the write-ahead log and a table's properties."""
        if _FILE_NAME.search(text) or self._families:
            return ""
        if "properties" in text or "magic number" in text:
            return " in one of *.sst"
        logs = sorted(log.name for log in self.directory.glob("*.log") if log.stat().st_size)
        return f" in {' or '.join(logs)}" if logs else ""


def _join_small_tables(family: Any) -> None:
    """Make one of many. RocksDB by itself never joins those of rising keys: each moves, as it is, to the last level."""
    tables = sum(int(family.property_value(f"rocksdb.num-files-at-level{level}")) for level in range(LEVELS))
    size = family.property_int_value("rocksdb.live-sst-files-size")
    if tables > SMALL_TABLES_MAX and size < tables * SMALL_TABLE_BYTES:
        forced = rocksdict.CompactOptions()
        forced.set_bottommost_level_compaction(rocksdict.BottommostLevelCompaction.force())
        family.compact_range(None, None, forced)


def _options() -> Any:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    # A torn tail is what a crash leaves; damage anywhere else must be refused, never skipped.
    options.set_wal_recovery_mode(rocksdict.DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_write_buffer_size(MEMTABLES_BYTES)
    options.set_db_write_buffer_size(MEMTABLES_BYTES)
    options.set_max_total_wal_size(4 * MEMTABLES_BYTES)
    options.set_keep_log_file_num(LOG_FILES_MAX)
    options.set_paranoid_checks(True)
    return options


def _once() -> Any:
    """For what is read from one end to the other: it would only drive out what is looked up again and again."""
    options = rocksdict.ReadOptions()
    options.fill_cache(False)  # type: ignore[call-arg]  # the stub has forgotten its argument
    return options


def _unsynced() -> Any:
    options = rocksdict.WriteOptions()
    options.sync = False
    return options


def _first_words(text: str) -> str:
    """RocksDB writes "Kind: detail: /path/to/file: reason"; keep what holds no path."""
    return ": ".join(part for part in text.split(": ") if "/" not in part or part == EIO_TEXT)[:200]
