"""The write-ahead log as a crash or a bad disk may leave it: a torn tail costs the unfinished write alone, damage
before it is refused.

Both are done to copies of a directory that an engine holds open: what a crash would leave.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from storage.clock import ManualClock
from storage.cold.file_names import holds_cold_files
from storage.engine import Engine
from storage.errors import Corruption
from storage.rowstore.startup_check import check_at_startup
from storage.settings import StorageSettings
from tests.support.storage_builders import insert, make_table, opened, read

ROWS = 12


@pytest.fixture
def crashed(tmp_path: Path, clock: ManualClock) -> Iterator[tuple[Path, list[int]]]:
    """A directory whose log holds ROWS commits of one row, and the log's size after each."""
    with opened(tmp_path / "data", clock) as engine:
        table = make_table(engine)
        sizes = []
        for k in range(ROWS):
            insert(engine, table, (k, "x" * 20))
            sizes.append(log_of(tmp_path / "data").stat().st_size)
        yield tmp_path / "data", sizes


def log_of(directory: Path) -> Path:
    (found,) = [path for path in (directory / "rows").glob("*.log") if path.stat().st_size]
    return found


def copy_of(directory: Path) -> Path:
    copy = directory.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(directory, copy)
    return copy


def keys_in(directory: Path) -> list[int]:
    engine = Engine.open(directory, StorageSettings(), ManualClock())
    try:
        (table,) = engine.state.catalog.tables.values()
        return [row["k"] for row in read(engine, table)]
    finally:
        engine.close()


def rows_seen_in(directory: Path) -> int:
    """What recovery sees, without all that goes with opening for writing."""
    found = check_at_startup(directory / "rows", partial(holds_cold_files, directory / "cold"))
    assert found is not None
    (partition,) = found.state.partitions.values()
    return partition.rows


def test_a_log_cut_anywhere_in_its_last_record_loses_that_record_alone(crashed: tuple[Path, list[int]]):
    directory, sizes = crashed
    for size in range(sizes[-2], sizes[-1]):
        copy = copy_of(directory)
        with log_of(copy).open("r+b") as log:
            log.truncate(size)
        assert rows_seen_in(copy) == ROWS - 1
        if size % 16 == 0:
            assert keys_in(copy) == list(range(ROWS - 1))
            assert keys_in(copy) == list(range(ROWS - 1))  # and it stays so
    assert keys_in(copy_of(directory)) == list(range(ROWS))


def test_a_log_with_a_flipped_bit_before_its_tail_is_refused_every_time(crashed: tuple[Path, list[int]]):
    directory, sizes = crashed
    for place in (sizes[0] + 20, sizes[3] + 2, sizes[ROWS // 2] + 60):
        copy = copy_of(directory)
        content = bytearray(log_of(copy).read_bytes())
        content[place] ^= 1
        log_of(copy).write_bytes(content)
        for _ in range(2):
            with pytest.raises(Corruption, match=log_of(copy).name):
                keys_in(copy)
