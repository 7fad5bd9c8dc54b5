"""MERGE: every kind of clause, the star forms, and what is refused."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client


@pytest.fixture(params=["hot", "cold"])
def t(request: pytest.FixtureRequest, client: Client) -> Client:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT DEFAULT 7, s TEXT)")
    client.do("INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b'), (3, 30, 'c')")
    client.do("CREATE TABLE src (s TEXT, id BIGINT, n INT)")
    client.do("INSERT INTO src VALUES ('m2', 2, 5), ('m3', 3, 6), ('m77', 77, 7)")
    if request.param == "cold":
        client.flush("t")
    return client


def test_the_first_fitting_clause_acts_and_every_change_counts(t: Client) -> None:
    changed = t.do(
        "MERGE INTO t USING src AS s ON t.id = s.id WHEN MATCHED AND s.n = 5 THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET s = t.s || s.s, n = DEFAULT "
        "WHEN NOT MATCHED AND s.n > 100 THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, s) VALUES (s.id, s.s)"
    )
    assert changed == 3
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 10, "a"), (3, 7, "cm3"), (77, 7, "m77")]


def test_stars_go_by_name(t: Client) -> None:
    sql = "MERGE INTO t USING src AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    assert t.do(sql) == 3
    assert t.rows("SELECT * FROM t WHERE id > 1 ORDER BY id") == [(2, 5, "m2"), (3, 6, "m3"), (77, 7, "m77")]


def test_stars_take_subqueries_values_and_fewer_columns(t: Client) -> None:
    insert = "ON t.id = v.id WHEN NOT MATCHED THEN INSERT * WHEN MATCHED THEN UPDATE SET *"
    assert t.do(f"MERGE INTO t USING (SELECT 'new' AS s, 8 AS id) AS v {insert}") == 1
    assert t.do(f"MERGE INTO t USING (VALUES (1, 'one'), (9, 'nine')) AS v(id, s) {insert}") == 2
    assert t.rows("SELECT * FROM t WHERE id IN (1, 8, 9) ORDER BY id") == [
        (1, 10, "one"),
        (8, 7, "new"),
        (9, 7, "nine"),
    ]


def test_returning_shows_new_rows_and_deleted_ones_as_they_were(t: Client) -> None:
    rows = t.rows(
        "MERGE INTO t USING src ON t.id = src.id WHEN MATCHED AND src.n = 5 THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET n = 0 WHEN NOT MATCHED THEN INSERT (id) VALUES (src.id) RETURNING id, n"
    )
    assert sorted(rows) == [(2, 20), (3, 0), (77, 7)]


def test_a_table_merged_into_itself_reads_one_moment(t: Client) -> None:
    assert t.do("MERGE INTO t USING t AS o ON t.id = o.id + 1 WHEN MATCHED THEN UPDATE SET n = o.n") == 2
    assert t.rows("SELECT id, n FROM t ORDER BY id") == [(1, 10), (2, 10), (3, 20)]


def test_default_values_are_inserted_for_what_has_no_match(client: Client) -> None:
    client.do("CREATE TABLE d (a INT DEFAULT 1, b TEXT DEFAULT 'x')")
    sql = "MERGE INTO d USING generate_series(1, 2) AS g(i) ON false WHEN NOT MATCHED THEN INSERT DEFAULT VALUES"
    assert client.do(sql) == 2
    assert client.rows("SELECT * FROM d") == [(1, "x"), (1, "x")]


_SRC = "MERGE INTO t USING src AS s ON t.id = s.id WHEN"


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("MERGE INTO t USING src ON true WHEN MATCHED THEN DELETE", "21000"),
        ("MERGE INTO t USING (SELECT 1 AS id, 2 AS nope) AS v ON t.id = v.id WHEN MATCHED THEN UPDATE SET *", "42703"),
        ("MERGE INTO t USING (SELECT 1 AS id) ON true WHEN NOT MATCHED THEN INSERT *", "42601"),
        ("MERGE INTO t USING nope ON true WHEN MATCHED THEN DELETE", "42P01"),
        ("MERGE INTO nope USING src ON true WHEN MATCHED THEN DELETE", "42P01"),
        (f"{_SRC} MATCHED THEN UPDATE SET nope = 1", "42703"),
        (f"{_SRC} MATCHED THEN UPDATE SET n = 1 / (s.n - 5)", "22012"),
        (f"{_SRC} MATCHED THEN UPDATE SET id = 1", "23505"),
        (f"{_SRC} NOT MATCHED THEN INSERT (id, n) VALUES (s.id, 3000000000)", "22003"),
        (f"{_SRC} NOT MATCHED THEN INSERT (id) VALUES (NULL)", "23502"),
        (f"{_SRC} NOT MATCHED THEN INSERT (id) VALUES (1, 2)", "42601"),
        (f"{_SRC} NOT MATCHED BY SOURCE THEN DELETE", "0A000"),
    ],
)
def test_a_refused_merge_changes_nothing(t: Client, sql: str, sqlstate: str) -> None:
    assert t.sqlstate(sql) == sqlstate
    assert t.rows("SELECT * FROM t ORDER BY id") == [(1, 10, "a"), (2, 20, "b"), (3, 30, "c")]
