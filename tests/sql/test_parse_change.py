"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE as values."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.parser.statements.changes import (
    Assignment,
    DefaultRow,
    Delete,
    Insert,
    Merge,
    MergeClause,
    OnConflict,
    QueryRows,
    Truncate,
    Update,
    ValuesRows,
)
from flight_server.parser.statements.statement import Statement
from flight_server.parser.statements.table_ref import TableRef
from storage.errors import FrostlineError
from tests.support.parsed import parse

T = TableRef(None, "t")
X = TableRef(None, "t", "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INSERT INTO t VALUES (1)", Insert(T, None, ValuesRows((("1",),)))),
        ("insert into N.T values (1);", Insert(TableRef("n", "t"), None, ValuesRows((("1",),)))),
        ("INSERT INTO frostline.n.t VALUES (1)", Insert(TableRef("n", "t"), None, ValuesRows((("1",),)))),
        ('INSERT INTO "T" VALUES (1)', Insert(TableRef(None, "T"), None, ValuesRows((("1",),)))),
        (
            'INSERT INTO t (A, "B c") VALUES (DEFAULT, -1), (f(1, 2), ARRAY[3, 4])',
            Insert(T, ("a", "B c"), ValuesRows(((None, "-1"), ("f(1, 2)", "ARRAY[3, 4]")))),
        ),
        ("INSERT INTO t VALUES ('a,b)', \"c)\")", Insert(T, None, ValuesRows((("'a,b)'", '"c)"'),)))),
        ("INSERT INTO t VALUES (1 -- one\n, /* two */ 2)", Insert(T, None, ValuesRows((("1", "2"),)))),
        ("INSERT INTO t VALUES ((SELECT max(a) FROM s))", Insert(T, None, ValuesRows((("(SELECT max(a) FROM s)",),)))),
        ("INSERT INTO t DEFAULT VALUES", Insert(T, None, DefaultRow())),
        ("INSERT INTO t SELECT a FROM s", Insert(T, None, QueryRows("SELECT a FROM s"))),
        ("INSERT INTO t TABLE s", Insert(T, None, QueryRows("SELECT * FROM s"))),
        ("INSERT INTO t (SELECT a FROM s)", Insert(T, None, QueryRows("(SELECT a FROM s)"))),
        ("INSERT INTO t (a) (SELECT a FROM s)", Insert(T, ("a",), QueryRows("(SELECT a FROM s)"))),
        (
            "WITH s AS (SELECT 1) INSERT INTO t SELECT * FROM s",
            Insert(T, None, QueryRows("WITH s AS (SELECT 1) SELECT * FROM s")),
        ),
        (
            "WITH s (a) AS (SELECT 1), r AS (SELECT 2) INSERT INTO t WITH q AS (SELECT 3) SELECT * FROM s",
            Insert(
                T,
                None,
                QueryRows(
                    "WITH s (a) AS (SELECT 1), r AS (SELECT 2) "
                    "SELECT * FROM (WITH q AS (SELECT 3) SELECT * FROM s) AS rows"
                ),
            ),
        ),
        (
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            Insert(T, None, ValuesRows((("1",),)), OnConflict(())),
        ),
        (
            "INSERT INTO t SELECT a FROM r JOIN s ON r.a = s.a ON CONFLICT (a, b) DO UPDATE SET "
            "c = excluded.c + 1, d = DEFAULT WHERE t.c < 5 RETURNING *, c AS e",
            Insert(
                T,
                None,
                QueryRows("SELECT a FROM r JOIN s ON r.a = s.a"),
                OnConflict(("a", "b"), (Assignment("c", "excluded.c + 1"), Assignment("d", None)), "t.c < 5"),
                "*, c AS e",
            ),
        ),
        ("INSERT INTO t AS x VALUES (1) RETURNING x.a", Insert(X, None, ValuesRows((("1",),)), None, "x.a")),
    ],
)
def test_insert(text: str, expected: Insert) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("UPDATE t SET a = 1", Update(T, (Assignment("a", "1"),))),
        ("UPDATE t x SET x.a = x.b", Update(X, (Assignment("a", "x.b"),))),
        (
            "UPDATE t AS x SET a = DEFAULT, (b, c) = (1, DEFAULT), (d) = ROW(f(2, 3))",
            Update(
                X,
                (
                    Assignment("a", None),
                    Assignment("b", "1"),
                    Assignment("c", None),
                    Assignment("d", "f(2, 3)"),
                ),
            ),
        ),
        (
            "UPDATE t SET a = CASE WHEN b IS DISTINCT FROM 1 THEN 'x' END FROM s, r WHERE t.b = s.b RETURNING a",
            Update(
                T,
                (Assignment("a", "CASE WHEN b IS DISTINCT FROM 1 THEN 'x' END"),),
                "s, r",
                "t.b = s.b",
                "a",
            ),
        ),
        ("UPDATE t SET a = b IS DISTINCT FROM c", Update(T, (Assignment("a", "b IS DISTINCT FROM c"),))),
        (
            'UPDATE t SET "offset" = offset + 1 WHERE offset > 3 AND offset < 5',
            Update(T, (Assignment("offset", "offset + 1"),), None, "offset > 3 AND offset < 5"),
        ),
        ("UPDATE t SET a = extract(day FROM b)", Update(T, (Assignment("a", "extract(day FROM b)"),))),
        ("UPDATE t SET a = 1 WHERE b.where = 2", Update(T, (Assignment("a", "1"),), None, "b.where = 2")),
    ],
)
def test_update(text: str, expected: Update) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DELETE FROM t", Delete(T)),
        ("DELETE FROM n.t x WHERE a = 1", Delete(TableRef("n", "t", "x"), None, "a = 1")),
        (
            "DELETE FROM t USING s JOIN r USING (a) WHERE t.a = s.a AND b IN (SELECT 1 LIMIT 1) RETURNING *",
            Delete(T, "s JOIN r USING (a)", "t.a = s.a AND b IN (SELECT 1 LIMIT 1)", "*"),
        ),
        ("TRUNCATE TABLE n.t", Truncate(TableRef("n", "t"))),
        ("TRUNCATE t", Truncate(T)),
    ],
)
def test_delete_and_truncate(text: str, expected: Statement) -> None:
    assert parse(text) == expected


def test_merge() -> None:
    text = """
        MERGE INTO t AS x USING (SELECT 1 AS a) AS s ON x.a = CASE WHEN true THEN s.a END
        WHEN MATCHED AND s.a > 5 THEN DELETE
        WHEN MATCHED THEN UPDATE SET b = s.b || 'x', x.c = DEFAULT
        WHEN NOT MATCHED BY TARGET AND s.a < 0 THEN DO NOTHING
        WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, DEFAULT)
        RETURNING *
    """
    assert parse(text) == Merge(
        X,
        "(SELECT 1 AS a) AS s",
        "x.a = CASE WHEN true THEN s.a END",
        (
            MergeClause(True, "delete", "s.a > 5"),
            MergeClause(True, "update", None, (Assignment("b", "s.b || 'x'"), Assignment("c", None))),
            MergeClause(False, "nothing", "s.a < 0"),
            MergeClause(False, "insert", None, columns=("a", "b"), values=("s.a", None)),
        ),
        "*",
    )


def test_merge_takes_stars_for_all_columns() -> None:
    merge = parse("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE * WHEN NOT MATCHED THEN INSERT *")
    assert isinstance(merge, Merge)
    assert merge.clauses == (MergeClause(True, "update"), MergeClause(False, "insert"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("INSERT INTO t VALUES (1), (2, 3)", "row 2 of VALUES has 2 items, the first has 1"),
        ("INSERT INTO t VALUES (1", "position 22: no \\) ends what begins here"),
        ("INSERT INTO t VALUES (1]", "position 24: brackets do not match"),
        ("INSERT INTO t VALUES ()", "expected a value"),
        ("INSERT INTO t VALUES (1,,2)", "expected a value"),
        ("INSERT INTO t VALUES (1) LIMIT 5", "position 26: expected the end of the statement, found LIMIT"),
        ("INSERT INTO t VALUES (1); SELECT 2", "expected the end of the statement, found ;"),
        ("INSERT INTO t (a, a) VALUES (1, 2)", "column 'a' is named twice"),
        ("INSERT INTO t", "expected the rows to insert"),
        ("INSERT INTO a.b.c VALUES (1)", "catalog 'a' does not exist"),
        ("INSERT INTO frostline.a.b.c VALUES (1)", "too many parts"),
        ('INSERT INTO "a\tb" VALUES (1)', r"table name 'a\\tb' is not allowed"),
        ("INSERT INTO select VALUES (1)", "a reserved word must be in double quotes"),
        ("INSERT INTO t VALUES (1) ON CONFLICT ON CONSTRAINT k DO NOTHING", "ON CONSTRAINT is not supported"),
        ("INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE a > 1 DO NOTHING", "condition before DO is not supported"),
        ("INSERT OR REPLACE INTO t VALUES (1)", "INSERT OR REPLACE is not supported; use INSERT .. ON CONFLICT"),
        ("INSERT OVERWRITE t VALUES (1)", "INSERT OVERWRITE is not supported"),
        ("INSERT INTO t OVERRIDING VALUE VALUES (1)", "expected SYSTEM or USER"),
        ("UPDATE t SET a = 1, a = 2", "column 'a' is named twice"),
        ("UPDATE t SET b.a = 1", "b is not the table that is changed"),
        ("UPDATE t SET a = 1 LIMIT 5", "found LIMIT"),
        ("UPDATE t SET a = 1 WHERE b = 2 OFFSET 5", "found OFFSET"),
        ("UPDATE t SET a = 1 WHERE b = 2 FETCH FIRST ROW ONLY", "found FETCH"),
        ("UPDATE t SET (a, b) = (1)", "2 columns can't be set to 1 values"),
        ("UPDATE t SET (a, b) = (SELECT 1, 2)", "not supported; assign each column"),
        ("UPDATE t SET a =", "expected a value, found the end"),
        ("UPDATE t", "expected SET"),
        ("DELETE t", "expected FROM"),
        ("DELETE FROM t WHERE", "expected a condition"),
        ("DELETE FROM t WHERE a = 1) OR (1 = 1", "position 26: expected the end of the statement, found \\)"),
        ("DELETE FROM t WHERE a = 1 UNION SELECT 1", "found UNION"),
        ("DELETE FROM t WHERE a = (1", "position 25: no \\) ends"),
        ("DELETE FROM t WHERE a = CASE 1", "no END ends"),
        ("DELETE FROM t RETURNING", "expected a column"),
        ("DELETE FROM t RETURNING a FROM b", "found FROM"),
        ("WITH a AS (SELECT 1) DELETE FROM t", "WITH before DELETE is not supported"),
        ("WITH a AS (SELECT 1) UPDATE t SET a = 1", "WITH before UPDATE is not supported"),
        ("TRUNCATE a, b", "TRUNCATE of several tables is not supported"),
        ("TRUNCATE t CASCADE", "found CASCADE"),
        ("MERGE INTO t USING s ON a = b", "expected WHEN"),
        ("MERGE INTO t USING s ON a = b WHEN MATCHED THEN INSERT VALUES (1)", "expected UPDATE, DELETE or DO"),
        ("MERGE INTO t USING s ON a = b WHEN NOT MATCHED BY SOURCE THEN DELETE", "BY SOURCE is not supported"),
        ("MERGE INTO t USING s ON a = b WHEN NOT MATCHED THEN INSERT (a) VALUES (1, 2)", "1 columns can't be given 2"),
    ],
)
def test_a_wrong_change_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(FrostlineError, match=words):
        parse(text)


_ITEMS = st.sampled_from(
    ["1", "-2.5", "'a''),('", '"c,d"', "f(1, (2))", "$1", "NULL", "DEFAULT", "ARRAY[1, 2]", "$$)$$"]
)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[_ITEMS] * n), min_size=1, max_size=5)))
@settings(max_examples=100, deadline=None)
def test_values_come_back_as_they_were_written(rows: list[tuple[str, ...]]) -> None:
    text = "INSERT INTO t VALUES " + " , ".join(f"( {' , '.join(row)} )" for row in rows)
    insert = parse(text)
    assert isinstance(insert, Insert)
    expected = tuple(tuple(None if item == "DEFAULT" else item for item in row) for row in rows)
    assert insert.source == ValuesRows(expected)


def test_ten_thousand_rows_are_read() -> None:
    text = "INSERT INTO t (a, b) VALUES " + ",".join(f"({i}, 'name {i}')" for i in range(10_000))
    insert = parse(text)
    assert isinstance(insert, Insert)
    assert isinstance(insert.source, ValuesRows)
    assert insert.source.rows[-1] == ("9999", "'name 9999'")
