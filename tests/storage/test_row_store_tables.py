"""The row store's own files: rising keys, written out again and again, make no more of them than are joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.rowstore.keys import DELETES, FAMILIES, HOT, MANIFEST, PK, dropped_range
from storage.rowstore.row_store import SMALL_TABLES_MAX, HotStore, Put

ROUNDS = 4 * SMALL_TABLES_MAX


def squeeze(store: HotStore) -> None:
    """As a purge ends."""
    store.squeeze((HOT, DELETES, PK, MANIFEST), *dropped_range(1))


def write_out(store: HotStore) -> None:
    """As a backup begins."""
    store.write_out()


@pytest.mark.parametrize("written_out", [squeeze, write_out])
def test_tables_of_rising_keys_are_joined(tmp_path: Path, written_out: Callable[[HotStore], None]):
    store = HotStore(tmp_path / "rows")
    try:
        for number in range(ROUNDS):
            store.write([Put(family, f"{number:08}".encode(), b"x") for family in FAMILIES], durable=False)
            written_out(store)
        assert len(list((tmp_path / "rows").glob("*.sst"))) <= (SMALL_TABLES_MAX + 1) * len(FAMILIES)
        assert all(len(list(store.scan(family))) == ROUNDS for family in FAMILIES)
    finally:
        store.close()
