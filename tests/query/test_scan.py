"""What statements see of a table: cold and hot rows, deletes, system columns, versions, schema changes."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from flight_server.query.scan.table_scan import NOT_IN_MAX
from storage.catalog.schema import TableDef, TableKind, write_fill
from storage.catalog.table_options import KEEP_FOR_EVER, TableOptions
from storage.errors import InvalidRequest
from tests.support.query_database import DAY_MS, NOW_MS, Database, column, seq_at

OLD = seq_at(NOW_MS - 2 * DAY_MS)  # cold rows were written then
NEW = seq_at(NOW_MS - 1000)  # hot rows
ID_NAME = (column("id", pa.int64(), nullable=False), column("name", pa.string()))


@pytest.fixture
def t(db: Database) -> TableDef:
    return db.table("t", *ID_NAME)


@pytest.fixture
def mixed(db: Database, t: TableDef) -> TableDef:
    """ids 0-9 cold in two files, 10-12 hot."""
    db.file(t, [OLD + i for i in range(5)], id=list(range(5)), name=["cold"] * 5)
    db.file(t, [OLD + i for i in range(5, 10)], id=list(range(5, 10)), name=["cold"] * 5)
    db.hot(t, [NEW, NEW + 1, NEW + 2], id=[10, 11, 12], name=["hot"] * 3)
    return t


def ids(db: Database, sql: str, **scope: Any) -> list[int]:
    return sorted(row[0] for row in db.rows(sql, **scope))


def test_an_empty_table_has_its_columns_and_no_rows(db: Database, t: TableDef):
    found = db.ask("SELECT * FROM t")
    assert found.num_rows == 0
    assert found.schema == pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


def test_cold_rows_alone_are_seen(db: Database, t: TableDef):
    db.file(t, [OLD], id=[1], name=["a"])
    assert db.rows("SELECT * FROM t") == [(1, "a")]


def test_hot_rows_alone_are_seen(db: Database, t: TableDef):
    db.hot(t, [NEW], id=[1], name=["a"])
    assert db.rows("SELECT * FROM t") == [(1, "a")]


def test_cold_and_hot_rows_are_one_table(db: Database, mixed: TableDef):
    assert ids(db, "SELECT id FROM t") == list(range(13))
    assert db.rows("SELECT name, count(*) FROM t GROUP BY name ORDER BY 1") == [("cold", 10), ("hot", 3)]


def test_the_schema_is_the_same_wherever_the_rows_are(db: Database, t: TableDef):
    schemas = [db.ask("SELECT * FROM t").schema]
    db.hot(t, [NEW], id=[1], name=["a"])
    schemas.append(db.ask("SELECT * FROM t").schema)
    db.file(t, [OLD], id=[2], name=["b"])
    schemas.append(db.ask("SELECT * FROM t").schema)
    db.delete(t, [OLD], NEW + 9)
    schemas.append(db.ask("SELECT * FROM t").schema)
    assert schemas == [schemas[0]] * 4


@pytest.mark.parametrize("dead", [1, NOT_IN_MAX + 1], ids=["as a filter", "as an anti-join"])
def test_deleted_cold_rows_are_not_seen(db: Database, t: TableDef, dead: int):
    db.file(t, [OLD + i for i in range(200)], id=list(range(200)), name=["x"] * 200)
    db.file(t, [OLD + 500 + i for i in range(3)], id=[500, 501, 502], name=["clean"] * 3)
    db.delete(t, [OLD + i for i in range(dead)], NEW)
    assert ids(db, "SELECT id FROM t") == [*range(dead, 200), 500, 501, 502]
    assert db.rows("SELECT count(*) FROM t") == [(203 - dead,)]


def test_deleted_hot_rows_are_not_seen(db: Database, mixed: TableDef):
    db.delete(mixed, [NEW + 1], NEW + 50)
    assert ids(db, "SELECT id FROM t WHERE id > 8") == [9, 10, 12]


def test_count_of_clean_files_comes_from_statistics(db: Database, t: TableDef):
    for start in range(0, 30, 10):
        db.file(t, [OLD + start + i for i in range(10)], id=list(range(start, start + 10)), name=["x"] * 10)
    assert db.rows("SELECT count(*) FROM t") == [(30,)]
    physical = db.rows("EXPLAIN SELECT count(*) FROM t")[1][1]
    assert "30 as count(*)" in physical
    assert "parquet" not in physical


def test_a_file_of_ordinals_shows_its_base_added(db: Database, t: TableDef):
    db.file(t, [OLD + i for i in range(3)], seq_base=OLD, id=[1, 2, 3], name=["a"] * 3)
    db.file(t, [OLD + 10 + i for i in range(3)], seq_base=OLD + 10, id=[4, 5, 6], name=["b"] * 3)
    expected = [(OLD + 1, 2), (OLD + 11, 5)]
    assert db.rows("SELECT _seq, id FROM t WHERE id IN (2, 5) ORDER BY 1") == expected
    db.delete(t, [OLD + 1, OLD + 12], NEW)
    assert ids(db, "SELECT id FROM t") == [1, 3, 4, 5]


def test_files_of_ordinals_are_one_scan_unless_the_version_is_asked_for(db: Database, t: TableDef):
    for base in (OLD, OLD + 10):
        db.file(t, [base, base + 1], seq_base=base, id=[1, 2], name=["a", "b"])
    assert db.rows("EXPLAIN SELECT name FROM t")[1][1].count("DataSourceExec") == 1
    assert db.rows("EXPLAIN SELECT name, _seq FROM t")[1][1].count("DataSourceExec") == 2


def test_system_columns_are_there_only_for_a_statement_that_names_one(db: Database, mixed: TableDef):
    assert db.ask("SELECT * FROM t").column_names == ["id", "name"]
    assert db.ask("SELECT * FROM t WHERE _seq > 0").column_names == ["id", "name", "_seq", "_updated", "_deleted"]
    assert db.ask("SELECT *, '_seq' AS s FROM t").column_names == ["id", "name", "s"]


def test_updated_is_the_commit_time_of_the_version(db: Database, mixed: TableDef):
    found = db.ask("SELECT id, _updated FROM t WHERE id IN (0, 12) ORDER BY id")
    assert found.schema.field("_updated").type == pa.timestamp("ms", tz="UTC")
    written = [datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC) for ms in (NOW_MS - 2 * DAY_MS, NOW_MS - 1000)]
    assert found.column(1).to_pylist() == written


def test_versions_after_a_number_are_the_incremental_sync(db: Database, mixed: TableDef):
    assert ids(db, f"SELECT id FROM t WHERE _seq > {OLD + 7}") == [8, 9, 10, 11, 12]


def test_a_table_as_of_a_version_is_what_it_was(db: Database, mixed: TableDef):
    db.delete(mixed, [OLD + 2, NEW], NEW + 100)
    now = [0, 1, 3, 4, 5, 6, 7, 8, 9, 11, 12]
    assert ids(db, "SELECT id FROM t") == now
    assert ids(db, f'SELECT id FROM "_frostline_v{NEW + 100}_t"') == now
    assert ids(db, f'SELECT id FROM "_frostline_v{NEW + 99}_t"') == list(range(13))
    assert ids(db, f'SELECT id FROM public."_frostline_v{NEW}_t"') == list(range(11))
    assert ids(db, f'SELECT id FROM "_frostline_v{OLD + 6}_t"') == list(range(7))
    assert ids(db, f'SELECT id FROM "_frostline_v{OLD - 1}_t"') == []


def test_two_versions_of_a_table_join(db: Database, mixed: TableDef):
    db.delete(mixed, [OLD + 2], NEW + 100)
    sql = f'SELECT o.id FROM "_frostline_v{NEW + 99}_t" o LEFT ANTI JOIN t USING (id)'
    assert ids(db, sql) == [2]


def test_a_version_older_than_the_retention_is_refused_by_name(db: Database, t: TableDef):
    db.altered(t, options=TableOptions(deleted_retention_seconds=3600))
    with pytest.raises(InvalidRequest, match=r"'public.t' is older than its deleted_retention of 3600 s"):
        db.rows(f'SELECT id FROM "_frostline_v{OLD}_t"')
    db.altered(t, options=TableOptions(deleted_retention_seconds=KEEP_FOR_EVER))
    assert db.rows('SELECT id FROM "_frostline_v1_t"') == []


def test_naming_deleted_shows_deleted_versions_hot_and_cold(db: Database, mixed: TableDef):
    db.delete(mixed, [OLD + 2, NEW], NEW + 100)
    found = db.rows("SELECT id, _deleted FROM t WHERE id IN (1, 2, 10, 11) ORDER BY id")
    assert found == [(1, False), (2, True), (10, True), (11, False)]
    assert ids(db, "SELECT id FROM t WHERE _deleted") == [2, 10]
    assert ids(db, "SELECT id FROM t WHERE _seq > 0") == [0, 1, 3, 4, 5, 6, 7, 8, 9, 11, 12]


def test_versions_deleted_before_the_retention_stay_hidden(db: Database, mixed: TableDef):
    db.altered(mixed, options=TableOptions(deleted_retention_seconds=3600))
    db.delete(mixed, [OLD + 1, OLD + 2], seq_at(NOW_MS - DAY_MS))
    db.delete(mixed, [OLD + 3, NEW], seq_at(NOW_MS - 500))
    assert ids(db, "SELECT id FROM t WHERE _deleted") == [3, 10]
    assert ids(db, "SELECT id FROM t WHERE NOT _deleted") == [0, 4, 5, 6, 7, 8, 9, 11, 12]


def test_streams_have_no_deleted_column(db: Database):
    events = db.table("events", *ID_NAME, kind=TableKind.STREAM)
    db.hot(events, [NEW], id=[1], name=["a"])
    assert db.ask("SELECT *, _seq AS s FROM events").column_names == ["id", "name", "_seq", "_updated", "s"]


def test_columns_added_later_are_filled_or_null(db: Database, mixed: TableDef):
    added = (
        column("n", pa.int64(), nullable=False, fill=write_fill(pa.array([7], pa.int32()))),
        column("note", pa.string()),
        column("tags", pa.list_(pa.string()), fill=write_fill(pa.array([["x", "y"]]))),
    )
    new = db.altered(mixed, columns=(mixed.columns[0], *added))
    db.forget_hot(new)
    db.hot(new, [NEW], id=[10], n=[8], note=["hi"], tags=[[]])
    db.file(new, [OLD + 100], id=[100], n=[9], note=["cold"], tags=[["z"]])
    assert db.rows("SELECT * FROM t WHERE id IN (3, 10, 100) ORDER BY id") == [
        (3, 7, None, ["x", "y"]),
        (10, 8, "hi", []),
        (100, 9, "cold", ["z"]),
    ]
    assert ids(db, "SELECT id FROM t WHERE n = 7") == list(range(10))
    assert db.ask("SELECT n FROM t").schema.field("n").nullable is False


def test_renamed_columns_read_old_files(db: Database, mixed: TableDef):
    renamed = column('Na"me. x', pa.string(), physical_name="name")
    db.altered(mixed, columns=(column("key", pa.int64(), physical_name="id"), renamed))
    assert db.rows('SELECT key, "Na""me. x" FROM t WHERE key = 4') == [(4, "cold")]
    assert db.rows('SELECT key, "Na""me. x" FROM t WHERE key = 11') == [(11, "hot")]


def test_a_new_column_with_a_dropped_ones_name_does_not_show_old_values(db: Database, mixed: TableDef):
    db.altered(mixed, columns=(mixed.columns[0], column("name", pa.int32(), physical_name="name#2")))
    db.forget_hot(mixed)
    assert db.rows("SELECT * FROM t WHERE id = 3") == [(3, None)]


def test_widened_columns_read_old_files(db: Database):
    narrow = db.table("w", column("a", pa.int16()), column("d", pa.decimal128(5, 2)))
    db.file(narrow, [OLD], a=[-7], d=[Decimal("1.25")])
    wide = db.altered(narrow, columns=(column("a", pa.int64()), column("d", pa.decimal128(12, 4))))
    db.file(wide, [OLD + 1], a=[1 << 40], d=[Decimal("2.0625")])
    assert db.ask("SELECT * FROM w").schema.types == [pa.int64(), pa.decimal128(12, 4)]
    assert db.rows("SELECT * FROM w ORDER BY a") == [(-7, Decimal("1.2500")), (1 << 40, Decimal("2.0625"))]


def test_filters_reach_the_files(db: Database, mixed: TableDef):
    physical = db.rows("EXPLAIN SELECT name FROM t WHERE id = 3")[1][1]
    assert "pruning_predicate=" in physical


def test_a_self_join_sees_one_state(db: Database, mixed: TableDef):
    assert db.rows("SELECT count(*) FROM t a JOIN t b USING (id)") == [(13,)]
