"""The row store's own files: rising keys, written out again and again, make no more of them than are joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.rowstore.keys import DELETES, FAMILIES, HOT, MANIFEST, PK, dropped_range
from storage.rowstore.row_store import SMALL_TABLES_MAX, Put, RowStore

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
