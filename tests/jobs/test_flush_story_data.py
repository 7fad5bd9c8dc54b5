"""What a flush does to the data: nothing that anybody can see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import StorageUnavailable
from storage.failpoints import arm, disarm
from storage.maintenance.sweep import sweep
from storage.rowstore.keys import HOT
from tests.support.server_process import ServerProcess
from tests.support.storage_builders import compact, delete, files_on_disk, flush, insert, make_table, partition, values

UNICODE = [
    "",
    "grüße",
    "日本語",
    "עברית",
    "😀👩‍👩‍👧",
    "a\u0301",
    "\u00e1",
    "nul\u0000in",
    "tab\tline\n",
    "\u200b\ufeff",
    "'\"\\",
]


@pytest.fixture
def cursor(server: ServerProcess) -> Iterator[Any]:
    with server.connect() as connection, closing(connection.cursor()) as opened:
        yield opened


def rows_of(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def table_of(cursor: Any, sql: str) -> pa.Table:
    cursor.execute(sql)
    return cursor.fetch_arrow_table()


def flushed(cursor: Any, name: str) -> None:
    [(job_id, *_)] = rows_of(cursor, f"FLUSH TABLE {name}")
    [(*_, status, _, _)] = rows_of(cursor, f"WAIT FOR JOB '{job_id}'")
    assert status == "completed"
    where = f"\"table\" = '{name}'"
    assert rows_of(cursor, f"SELECT hot_rows FROM system.tables WHERE {where}") == [(0,)]


def same_after_flush(cursor: Any, name: str, sql: str) -> pa.Table:
    """What `sql` gives before and after, schema and all."""
    before = table_of(cursor, sql)
    flushed(cursor, name)
    after = table_of(cursor, sql)
    assert after.schema.equals(before.schema, check_metadata=True)
    assert after.equals(before)
    return after


def test_parquet_file_naming(engine: Engine, clock: ManualClock):
    """Folder of the table, time of the flush in UTC, then the first `_seq` in hex; nothing of the rows' values."""
    table = make_table(engine, "events")
    first = insert(engine, table, (1, "secret"), (2, "b")).seq_first
    clock.advance(5)
    flush(engine, table)
    [path] = files_on_disk(engine)
    match = re.fullmatch(r"public/events/(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-([0-9a-f]+)\.parquet", path)
    assert match is not None, path
    assert match[1] == datetime.fromtimestamp(clock.wall_ms() / 1000, tz=UTC).strftime("%Y-%m-%dT%H-%M-%S")
    assert int(match[2], 16) == first
    clock.advance(5)
    insert(engine, table, (3, "c"))
    flush(engine, table)
    assert min(files_on_disk(engine)) == path  # names sort by time


@pytest.mark.parametrize(
    "point", ["file.before_write", "file.before_sync", "file.after_read_back", "flush.before_commit"]
)
def test_atomic_deletion(engine: Engine, point: str):
    """Hot rows go with the very commit that names the file: before it all of them are hot, after it none is."""
    table = make_table(engine, key=("k",))
    insert(engine, table, *[(k, "x") for k in range(100)])
    before = partition(engine, table)

    def refuse() -> None:
        raise StorageUnavailable("not now")

    arm(point, refuse)
    try:
        with pytest.raises(StorageUnavailable, match="not now"):
            flush(engine, table)
    finally:
        disarm()
    assert partition(engine, table) is before
    assert files_on_disk(engine) == set()
    assert values(engine, table) == list(range(100))
    flush(engine, table)
    assert list(engine.row_store.scan(HOT)) == []
    assert (partition(engine, table).hot_rows, partition(engine, table).rows) == (0, 100)
    assert values(engine, table) == list(range(100))


def test_snapshot_consistency(engine: Engine):
    """Who began to read before a flush sees that moment to the end, whatever is flushed, changed and compacted."""
    table = make_table(engine, key=("k",))
    insert(engine, table, *[(k, "old") for k in range(10)])
    with engine.snapshot() as early:
        flush(engine, table)
        delete(engine, table, "k", 3)
        insert(engine, table, (10, "new"))
        with engine.snapshot() as late:
            flush(engine, table)
            compact(engine, table, force=True)
            sweep(engine)
            assert values(engine, table, state=early.state) == list(range(10))
            assert values(engine, table, state=late.state) == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]
    assert values(engine, table) == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]


def test_flush_single_row(cursor: Any):
    cursor.execute("CREATE TABLE single (a BIGINT, b VARCHAR)")
    cursor.execute("INSERT INTO single VALUES (7, 'seven')")
    assert same_after_flush(cursor, "single", "SELECT * FROM single").to_pylist() == [{"a": 7, "b": "seven"}]
    assert rows_of(cursor, "SELECT rows FROM system.cold_files WHERE \"table\" = 'single'") == [(1,)]


def test_flush_large_rows(cursor: Any, server: ServerProcess):
    """A text of 10 MB in one row, beside small ones."""
    large = "frost " * (10 * 1024 * 1024 // 6)
    cursor.execute("CREATE TABLE large (a BIGINT, b VARCHAR)")
    cursor.execute("INSERT INTO large VALUES (1, 'small')")
    cursor.execute("INSERT INTO large VALUES (2, ?)", (large,))
    cursor.execute("INSERT INTO large VALUES (3, 'small')")
    flushed(cursor, "large")
    assert rows_of(cursor, "SELECT a, length(b) FROM large ORDER BY a") == [(1, 5), (2, len(large)), (3, 5)]
    [(found,)] = rows_of(cursor, "SELECT b FROM large WHERE a = 2")
    assert found == large


def test_flush_unicode_data(cursor: Any, server: ServerProcess):
    cursor.execute("CREATE TABLE unicode (a BIGINT, b VARCHAR)")
    for number, text in enumerate(UNICODE):
        cursor.execute("INSERT INTO unicode VALUES (?, ?)", (number, text))
    shown = same_after_flush(cursor, "unicode", "SELECT b FROM unicode ORDER BY a")
    assert shown.column("b").to_pylist() == UNICODE
    for number, text in enumerate(UNICODE):
        cursor.execute("SELECT a FROM unicode WHERE b = ?", (text,))
        assert cursor.fetchall() == [(number,)]


def test_no_duplicates(cursor: Any):
    """Rows that are hot, cold, being deleted and flushed again: each is there once."""
    cursor.execute("CREATE TABLE once (a BIGINT PRIMARY KEY, b BIGINT)")
    for first in range(0, 300, 100):
        cursor.execute(f"INSERT INTO once SELECT value, 0 FROM generate_series({first}, {first + 99})")
        cursor.execute(f"UPDATE once SET b = b + 1 WHERE a % 10 = 0 AND a < {first + 100}")
        flushed(cursor, "once")
        assert rows_of(cursor, "SELECT count(*), count(DISTINCT a) FROM once") == [(first + 100, first + 100)]
    assert rows_of(cursor, "SELECT sum(b) FROM once") == [(30 + 20 + 10,)]
    with pytest.raises(Exception, match="23505"):
        cursor.execute("INSERT INTO once VALUES (150, 0)")


def test_data_integrity_full_scan(cursor: Any):
    """Counts, sums and a digest over all columns and rows, before and after several flushes and a compaction."""
    cursor.execute("CREATE TABLE whole (a BIGINT, b DOUBLE, c VARCHAR)")
    digest = "SELECT count(*), sum(a), sum(b), md5(string_agg(c || ':' || a, ',' ORDER BY a)) FROM whole"
    for part in range(4):
        low, high = part * 2500, part * 2500 + 2499
        made = f"SELECT value, value * 0.5, concat('row ', value) FROM generate_series({low}, {high})"
        cursor.execute(f"INSERT INTO whole {made}")
        expected = same_after_flush(cursor, "whole", digest)
    assert expected.column(0).to_pylist() == [10_000]
    assert expected.column(1).to_pylist() == [sum(range(10_000))]
    [(job_id, *_)] = rows_of(cursor, "COMPACT TABLE whole")
    rows_of(cursor, f"WAIT FOR JOB '{job_id}'")
    assert rows_of(cursor, "SELECT cold_files FROM system.tables WHERE \"table\" = 'whole'") == [(1,)]
    assert table_of(cursor, digest).equals(expected)
    [(job_id, *_)] = rows_of(cursor, "SCRUB TABLE whole")
    [(*_, status, _, _)] = rows_of(cursor, f"WAIT FOR JOB '{job_id}'")
    assert status == "completed"


KINDS = {
    "BOOLEAN": "true",
    "TINYINT": "-7",
    "SMALLINT": "300",
    "INTEGER": "70000",
    "BIGINT": "9007199254740993",
    "REAL": "1.5",
    "DOUBLE": "0.1",
    "DECIMAL(30, 10)": "12345678901234567890.0123456789",
    "VARCHAR": "'text'",
    "BYTEA": "X'00ff10'",
    "DATE": "DATE '2024-02-29'",
    "TIME": "TIME '12:34:56.789012'",
    "TIMESTAMP": "TIMESTAMP '2024-02-29 12:34:56.789012'",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP '2024-02-29 12:34:56'",
    "BIGINT[]": "[1, 2]",
}


def test_preserves_column_types(cursor: Any, server: ServerProcess):
    """Of every kind of column, as Arrow shows it and in the file."""
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(KINDS))
    cursor.execute(f"CREATE TABLE kinds ({columns})")
    cursor.execute(f"INSERT INTO kinds VALUES ({', '.join(KINDS.values())})")
    shown = same_after_flush(cursor, "kinds", "SELECT * FROM kinds")
    assert shown.column("c7").to_pylist() == [Decimal("12345678901234567890.0123456789")]
    assert shown.column("c4").to_pylist() == [9007199254740993]
    [(path,)] = rows_of(cursor, "SELECT path FROM system.cold_files WHERE \"table\" = 'kinds'")
    stored = pq.read_schema(Path(server.data) / "cold" / path)
    names = [name for name in stored.names if not name.startswith("_")]
    assert [stored.field(name).type for name in names] == shown.schema.types


def test_preserves_null_values(cursor: Any):
    """NULL stays NULL: no empty text, no zero, no empty list."""
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(KINDS))
    cursor.execute(f"CREATE TABLE nulls (n BIGINT, {columns})")
    cursor.execute("INSERT INTO nulls (n) VALUES (1)")
    cursor.execute(f"INSERT INTO nulls VALUES (2, {', '.join(KINDS.values())})")
    cursor.execute("INSERT INTO nulls (n, c8) VALUES (3, '')")
    shown = same_after_flush(cursor, "nulls", "SELECT * FROM nulls ORDER BY n").to_pylist()
    assert [value for name, value in shown[0].items() if name != "n"] == [None] * len(KINDS)
    assert None not in shown[1].values()
    assert (shown[2]["c8"], shown[2]["c0"]) == ("", None)
    nulls = " AND ".join(f"c{number} IS NULL" for number in range(len(KINDS)))
    assert rows_of(cursor, f"SELECT n FROM nulls WHERE {nulls}") == [(1,)]
    assert rows_of(cursor, "SELECT count(*), count(c8) FROM nulls") == [(3, 2)]
