"""The startup check finds damage of the row store before it is opened for writing.

Opening for writing rewrites what it reads: the log's rows become tables, the log goes. So damage has to be found
before that, or what could have been restored from is gone. Three looks, none of which writes anything:
  1. files   is there a row store at all, or parts of one, or cold files without one
  2. logs    every record is compared with its checksum (see `log_check`)
  3. rows    opened read-only, everything that recovery needs is read, so that every checksum of it is compared
Primary keys are too many to be read at the start: a block of them is compared when it is read, and by the scrub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from storage.errors import Corruption
from storage.rowstore.keys import FAMILIES, PK
from storage.rowstore.load_state import LoadedState, recover
from storage.rowstore.log_check import check_log
from storage.rowstore.row_store import RowStore


def check_at_startup(rows: Path, has_cold_files: Callable[[], bool]) -> LoadedState | None:
    """What the row store holds; None when there is none yet. Raises Corruption, StorageUnavailable."""
    if not (rows / "CURRENT").exists():
        _check_new(rows, has_cold_files)
        return None
    if any(rows.glob("*.sst")) and not any(rows.glob("*.log")):
        raise Corruption("the row store's log (rows/*.log) is missing; use frostline restore or recover")
    for log in _logs(rows):
        check_log(log)
    store = RowStore(rows, read_only=True)
    try:
        recovered = recover(store)
        read_through(store, but=PK)
        return recovered
    finally:
        store.close()


def read_through(store: RowStore, *, but: str = "", pause: Callable[[], None] = lambda: None) -> int:
    """Read every family but one, so that RocksDB compares its checksums; how many entries. Raises Corruption.

    pause: called after each part; what it raises ends the reading
    """
    entries = 0
    for family in FAMILIES:
        if family != but:
            for read in store.read_through(family):
                entries += read
                pause()
    return entries


def _check_new(rows: Path, has_cold_files: Callable[[], bool]) -> None:
    """A new row store beside old files would have the sweep remove them."""
    if any(rows.glob("*.sst")) or any(log.stat().st_size for log in rows.glob("*.log")):
        raise Corruption("rows/CURRENT is missing though there are rows; use frostline restore or recover")
    if has_cold_files():
        raise Corruption("rows/ is empty though there are cold files; use frostline restore or recover")


def _logs(rows: Path) -> Iterator[Path]:
    yield from sorted(rows.glob("*.log"))
    yield from sorted(rows.glob("MANIFEST-*"))
