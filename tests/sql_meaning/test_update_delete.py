"""UPDATE, DELETE and TRUNCATE: joins, subqueries, keys, RETURNING, hot and cold rows alike."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


@pytest.fixture(params=["hot", "cold", "mixed"])
def t(request: pytest.FixtureRequest, client: Client) -> Client:
    """Rows (1, 10, 'a') .. (4, 40, 'd') in memory, in a file, or half and half."""
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT, s TEXT NOT NULL)")
    client.do("INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b')")
    if request.param == "mixed":
        client.flush("t")
    client.do("INSERT INTO t VALUES (3, 30, 'c'), (4, 40, 'd')")
    if request.param == "cold":
        client.flush("t")
    return client


def test_update_sets_from_the_row_itself(t: Client) -> None:
    assert t.rows("UPDATE t SET n = n + id, s = upper(s) WHERE id >= 3 RETURNING *") == [(3, 33, "C"), (4, 44, "D")]
    assert t.rows("SELECT id, n FROM t ORDER BY id") == [(1, 10), (2, 20), (3, 33), (4, 44)]


def test_update_reads_other_tables_and_itself(t: Client) -> None:
    assert t.do("UPDATE t SET n = (SELECT max(n) FROM t) WHERE id = (SELECT min(id) FROM t)") == 1
    assert t.do("UPDATE t AS a SET s = b.s FROM t AS b WHERE b.id = a.id + 1 AND b.id < 4") == 2
    assert t.do("UPDATE t SET n = v.x FROM (VALUES (2, 222), (9, 999)) AS v(k, x) WHERE t.id = v.k") == 1
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 40, "b"), (2, 222, "c"), (3, 30, "c"), (4, 40, "d")]


def test_update_of_keys_may_pass_over_old_ones(t: Client) -> None:
    assert t.do("UPDATE t SET id = id + 1") == 4
    assert t.rows("SELECT id FROM t ORDER BY id") == [(2,), (3,), (4,), (5,)]
    assert t.sqlstate("UPDATE t SET id = 2 WHERE id = 3") == "23505"
    assert t.sqlstate("UPDATE t SET id = 9") == "23505"
    assert t.do("INSERT INTO t VALUES (1, 1, 'free again')") == 1


def test_update_to_default_and_of_several_columns_at_once(t: Client) -> None:
    t.do("ALTER TABLE t ALTER COLUMN n SET DEFAULT 5")
    assert t.rows("UPDATE t SET (n, s) = (DEFAULT, 'x') WHERE id = 1 RETURNING n, s") == [(5, "x")]


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("UPDATE t SET s = NULL WHERE id = 2", "23502"),
        ("UPDATE t SET s = CASE WHEN id = 4 THEN NULL ELSE 'z' END", "23502"),
        ("UPDATE t SET id = NULL", "23502"),
        ("UPDATE t SET n = 1 / (id - 3)", "22012"),
        ("UPDATE t SET n = n * 1000000000000", "22003"),
        ("UPDATE t SET n = 'x'", "22P02"),
        ("UPDATE t SET n = 1, n = 2", "42701"),
        ("UPDATE t SET nope = 1", "42703"),
        ("UPDATE t SET n = nope", "42703"),
        ("UPDATE t SET _deleted = true", "428C9"),
        ("UPDATE nope SET n = 1", "42P01"),
        ("DELETE FROM t WHERE nope = 1", "42703"),
        ("DELETE FROM t WHERE id IN (SELECT * FROM t)", "42601"),
        ("TRUNCATE nope", "42P01"),
    ],
)
def test_a_refused_change_leaves_every_row(t: Client, sql: str, sqlstate: str) -> None:
    assert t.sqlstate(sql) == sqlstate
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 10, "a"), (2, 20, "b"), (3, 30, "c"), (4, 40, "d")]


def test_no_error_and_no_star_shows_system_columns(t: Client) -> None:
    assert "_seq" not in t.refusal("DELETE FROM t WHERE nope = 1").message
    assert t.do("DELETE FROM t WHERE id IN (SELECT * FROM (SELECT id FROM t WHERE id > 3) AS q)") == 1
    assert t.do("UPDATE t SET n = (SELECT count(*) FROM (SELECT * FROM t) AS q)") == 3


def test_delete_with_conditions_joins_and_returning(t: Client) -> None:
    assert t.do("DELETE FROM t WHERE id = 99") == 0
    assert t.rows("DELETE FROM t USING (VALUES (1), (1), (2)) AS v(k) WHERE t.id = v.k RETURNING t.id, s") == [
        (1, "a"),
        (2, "b"),
    ]
    assert t.do("DELETE FROM t AS x WHERE x.n = (SELECT max(n) FROM t)") == 1
    assert t.do("DELETE FROM t") == 1
    assert t.value("SELECT count(*) FROM t") == 0


def test_truncate_and_insert_the_same_keys_again(t: Client) -> None:
    assert t.do("TRUNCATE TABLE t") == 4
    assert t.do("INSERT INTO t VALUES (1, 1, 'new')") == 1
    assert t.rows("SELECT * FROM t") == [(1, 1, "new")]
