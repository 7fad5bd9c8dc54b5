"""The row store's own files: rising keys, written out again and again, make no more of them than are joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.rowstore.keys import DELETES, FAMILIES, HOT, MANIFEST, PK, dropped_range
from storage.rowstore.row_store import MEMTABLES_BYTES, SMALL_TABLES_MAX, Put, RowStore
from tests.support.flight_client import wait_until

ROUNDS = 4 * SMALL_TABLES_MAX


def compact_range(store: RowStore) -> None:
    """As a purge ends."""
    store.compact_range((HOT, DELETES, PK, MANIFEST), *dropped_range(1))


def flush_memtables(store: RowStore) -> None:
    """As a backup begins."""
    store.flush_memtables()


@pytest.mark.parametrize("written_out", [compact_range, flush_memtables])
def test_tables_of_rising_keys_are_joined(tmp_path: Path, written_out: Callable[[RowStore], None]):
    store = RowStore(tmp_path / "rows")
    try:
        for number in range(ROUNDS):
            store.write([Put(family, f"{number:08}".encode(), b"x") for family in FAMILIES], durable=False)
            written_out(store)
        assert len(list((tmp_path / "rows").glob("*.sst"))) <= (SMALL_TABLES_MAX + 1) * len(FAMILIES)
        assert all(len(list(store.scan(family))) == ROUNDS for family in FAMILIES)
    finally:
        store.close()


def held_after_one_more(store: RowStore) -> int:
    store.write([Put(FAMILIES[0], b"one more", b"")], durable=False)
    return sum(family.property_int_value("rocksdb.size-all-mem-tables") for family in store._families.values())


def test_what_all_families_hold_in_memory_has_one_limit(tmp_path: Path):
    """A family that is seldom written does not keep its rows in memory until it has as many as one that often is."""
    store = RowStore(tmp_path / "rows")
    share, value = MEMTABLES_BYTES // len(FAMILIES), bytes(1 << 16)
    try:
        for family in FAMILIES * 3:  # each of them keeps well below what one may have
            for number in range(share // len(value)):
                store.write([Put(family, f"{number:08}".encode(), value)], durable=False)
        # Of three times as much, once what is full is written; RocksDB looks when something is put in.
        wait_until(lambda: held_after_one_more(store) <= 1.5 * MEMTABLES_BYTES)
    finally:
        store.close()
