"""System columns and past versions: the same answers from memory, from files and after compaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from tests.support.sql_client import Client


@pytest.fixture
def t(client: Client) -> Client:
    """(1, 1), (2, 2), then 1 updated, 2 deleted and 3 inserted."""
    client.do("CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1), (2, 2)")
    return client


def stages(client: Client) -> Iterator[str]:
    yield "hot"
    client.flush("t")
    yield "cold"
    client.do("UPDATE t SET v = v WHERE id = 3")
    yield "mixed"
    client.compact("t")
    yield "compacted"


def changed(client: Client) -> int:
    """Make the changes; the version before them."""
    before = client.value("SELECT max(_seq) FROM t")
    client.do("UPDATE t SET v = 100 WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, 3)")
    return int(before)


def test_a_version_shows_the_rows_of_then(t: Client) -> None:
    before = changed(t)
    for stage in stages(t):
        assert t.rows(f"SELECT * FROM t FOR VERSION AS OF {before} ORDER BY id") == [(1, 1), (2, 2)], stage
        assert t.rows(f"SELECT * FROM t AS OF VERSION {before} WHERE v = 2") == [(2, 2)], stage
        assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 100), (3, 3)], stage
        joined = f"SELECT n.id, o.v FROM t AS n LEFT JOIN t FOR VERSION AS OF {before} AS o ON n.id = o.id ORDER BY 1"
        assert t.rows(joined) == [(1, 1), (3, None)], stage


def test_a_moment_shows_the_rows_of_then(t: Client) -> None:
    moment = t.value("SELECT max(_updated) FROM t")
    while dt.datetime.now(dt.UTC) < moment + dt.timedelta(milliseconds=2):
        pass  # the changes must come in a later millisecond
    changed(t)
    for stage in stages(t):
        for shown in (moment, moment.astimezone(dt.timezone(dt.timedelta(hours=5)))):
            sql = f"SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '{shown.isoformat()}' ORDER BY id"
            assert t.rows(sql) == [(1, 1), (2, 2)], stage


def test_system_columns_show_only_when_named(t: Client) -> None:
    before = changed(t)
    assert t.table("SELECT * FROM t").column_names == ["id", "v"]
    assert t.table("SELECT * FROM t WHERE _seq > 0").column_names == ["id", "v", "_seq", "_updated", "_deleted"]
    for stage in stages(t):
        assert t.rows(f"SELECT id FROM t WHERE _seq > {before} ORDER BY id") == [(1,), (3,)], stage
        newest = t.value("SELECT max(_seq) FROM t")
        assert t.rows(f"SELECT id FROM t WHERE _seq > {newest}") == [], stage


def test_deleted_versions_are_rows_for_those_who_name_them(t: Client) -> None:
    changed(t)
    assert t.rows("SELECT id, v, _deleted FROM t ORDER BY id, v") == [
        (1, 1, True),
        (1, 100, False),
        (2, 2, True),
        (3, 3, False),
    ]
    t.flush("t")
    assert t.value("SELECT count(*) FROM t WHERE _deleted") == 2
    assert t.value("SELECT count(*) FROM t") == 2
    t.do("ALTER TABLE t SET (deleted_retention = '0')")
    assert t.value("SELECT count(*) FROM t WHERE _deleted") == 0


def test_past_versions_have_the_newest_columns(t: Client) -> None:
    before = changed(t)
    t.do("ALTER TABLE t ADD COLUMN z INT DEFAULT 5; ALTER TABLE t RENAME COLUMN v TO w")
    sql = f"SELECT id, w, z FROM t FOR VERSION AS OF {before} ORDER BY id"
    assert t.rows(sql) == [(1, 1, 5), (2, 2, 5)]
    t.flush("t")
    assert t.rows(sql) == [(1, 1, 5), (2, 2, 5)]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("SELECT * FROM t FOR VERSION AS OF 1", "22023"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '1999-01-01'", "22023"),
        ("SELECT * FROM t FOR SYSTEM_TIME AS OF 'some day'", "22007"),
        ("SELECT * FROM t FOR VERSION AS OF $1", "42601"),
        ("SELECT * FROM nope FOR VERSION AS OF 1", "42P01"),
        ("UPDATE t FOR VERSION AS OF 3 SET v = 1", "22023"),
        ("INSERT INTO t (id, _updated) VALUES (5, now())", "428C9"),
    ],
)
def test_what_is_no_past_version_is_refused(t: Client, sql: str, sqlstate: str) -> None:
    assert t.sqlstate(sql) == sqlstate
