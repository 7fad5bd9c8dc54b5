"""One row by its key, hot and cold: the row that a scan would find, or no answer at all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest

from storage.catalog.schema import TableDef
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Corruption
from storage.settings import StorageSettings
from tests.support.storage_builders import compact, delete, delete_in, flush, insert, load, make_table, opened

SMALL_GROUPS = StorageSettings(row_group_rows=1024)
ROWS = 3000


@pytest.fixture
def engine(tmp_path: Path, clock: ManualClock) -> Iterator[Engine]:
    with opened(tmp_path / "data", clock, SMALL_GROUPS) as found:
        yield found


@pytest.fixture
def table(engine: Engine) -> TableDef:
    return make_table(engine, key=("k",))


def found(engine: Engine, table: TableDef, value: Any, times: int = 2) -> list[dict[str, Any]] | None:
    """Asked twice: a cold row group answers from the second time on."""
    for _ in range(times):
        row = engine.rows.row(engine.state, engine.state.catalog.table_by_id(table), value)
    return None if row is None else row.to_pylist()


def test_a_hot_row_is_found_at_once(engine: Engine, table: TableDef):
    insert(engine, table, *((k, f"v{k}") for k in range(50)))
    insert(engine, table, (77, "later"))
    assert found(engine, table, 7, times=1) == [{"k": 7, "v": "v7"}]
    assert found(engine, table, 77, times=1) == [{"k": 77, "v": "later"}]


def test_a_cold_row_is_found_from_the_second_time_on(engine: Engine, table: TableDef):
    insert(engine, table, *((k, f"v{k}") for k in reversed(range(ROWS))))
    flush(engine, table)
    assert found(engine, table, 2500, times=1) is None
    for key in (0, 1023, 1024, 2500, ROWS - 1):
        assert found(engine, table, key) == [{"k": key, "v": f"v{key}"}]


def test_rows_of_a_bulk_load_and_of_a_compacted_file_are_found(engine: Engine, table: TableDef):
    load(engine, table, *((k, f"v{k}") for k in range(2000)))
    flush(engine, table)
    load(engine, table, *((k, f"w{k}") for k in range(2000, ROWS)))
    flush(engine, table)
    assert compact(engine, table) is not None
    assert found(engine, table, 5) == [{"k": 5, "v": "v5"}]
    assert found(engine, table, 2999) == [{"k": 2999, "v": "w2999"}]


def test_absent_and_deleted_keys_have_no_row_and_unfitting_ones_no_answer(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"), (2, "b"))
    delete(engine, table, "k", 2)
    for _ in ("hot", "cold"):
        assert found(engine, table, 3) == []
        assert found(engine, table, 2) == []
        flush(engine, table)
    assert found(engine, table, "text") is None
    assert found(engine, table, 1 << 70) is None
    load(engine, table, (3, "c"))
    assert found(engine, table, 3) != []


def test_no_key_is_called_absent_while_something_is_on_its_way_to_the_disk(engine: Engine, table: TableDef):
    insert(engine, table, (1, "a"))
    answers: list[Any] = []

    def look() -> None:
        answers.append(engine.rows.row(engine.state, engine.state.catalog.table_by_id(table), 2))

    write = engine.row_store.write

    def looked_at(operations: Any, *, durable: bool) -> None:
        look()
        write(operations, durable=durable)
        look()

    with patch.object(engine.row_store, "write", looked_at):
        insert(engine, table, (2, "b"))
    assert answers[:2] == [None, None]
    look()
    assert answers[2].to_pylist() == [{"k": 2, "v": "b"}]


def test_whoever_is_asked_while_others_write_says_what_a_scan_would(engine: Engine, table: TableDef):
    stop, keys = threading.Event(), range(5)

    def write(number: int) -> None:
        random = Random(number)
        while not stop.is_set():
            key = number * 10 + random.choice(keys)
            insert(engine, table, (key, "x"))
            stop.wait(0.001)
            delete(engine, table, "k", key)
            stop.wait(0.001)

    told = Counter[str]()
    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write, number) for number in range(2)]
        try:
            for turn in range(100_000):
                if turn > 2000 and told["0 rows"] > 20:
                    break
                key = turn % 2 * 10 + turn % 5
                with engine.snapshot() as snapshot:
                    shown = snapshot.state.catalog.table_by_id(table)
                    row = engine.rows.row(snapshot.state, shown, key)
                    hot = snapshot.state.partition(table.partition_id).hot
                    live = [k for chunk in hot for k in chunk.live.column("k").to_pylist()]
                    assert row is None or row.num_rows == live.count(key)
                    told["no answer" if row is None else f"{row.num_rows} rows"] += 1
        finally:
            stop.set()
    for writer in writers:
        writer.result()
    assert told["0 rows"] > 20, told


def test_an_older_snapshot_gets_no_newer_row(engine: Engine, table: TableDef):
    insert(engine, table, (1, "old"))
    with engine.snapshot() as snapshot:
        own = engine.begin()
        delete_in(engine, own, table, "k", 1)
        own.commit(durable=True)
        insert(engine, table, (1, "new"))
        insert(engine, table, (2, "b"))
        shown = engine.state.catalog.table_by_id(table)
        assert engine.rows.row(snapshot.state, shown, 1) is None
        assert engine.rows.row(snapshot.state, shown, 2) is None
        assert engine.rows.row(snapshot.state, shown, 3) is None  # it can't be told from one that came and went
    assert found(engine, table, 1) == [{"k": 1, "v": "new"}]


def test_a_text_key_is_found_too(engine: Engine):
    table = make_table(engine, "named", columns={"name": pa.string(), "n": pa.int64()}, key=("name",))
    insert(engine, table, *((f"name {k:05d}", k) for k in range(ROWS)))
    flush(engine, table)
    assert found(engine, table, "name 02222") == [{"name": "name 02222", "n": 2222}]
    assert found(engine, table, "name") == []


def test_a_damaged_file_is_said_not_served(engine: Engine, table: TableDef):
    insert(engine, table, *((k, "v") for k in range(ROWS)))
    flush(engine, table)
    [file] = engine.state.partition(table.partition_id).cold
    path = engine.files.full(file.path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Corruption, match="checksum"):
        found(engine, table, 5)


def test_no_more_is_kept_than_the_cache_may_hold(tmp_path: Path, clock: ManualClock):
    settings = StorageSettings(row_group_rows=1024, row_cache_bytes_max=40_000)
    with opened(tmp_path / "small", clock, settings) as engine:
        table = make_table(engine, key=("k",))
        insert(engine, table, *((k, "v") for k in range(ROWS)))
        flush(engine, table)
        for key in (0, 1500, 2500, 0, 1500, 2500):
            assert found(engine, table, key) == [{"k": key, "v": "v"}]
        assert 0 < engine.rows.kept_bytes <= 40_000
