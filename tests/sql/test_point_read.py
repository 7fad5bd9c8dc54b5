"""Which statements are taken for a read of one row by its key: too few is slow, too many would be wrong."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flight_server.sql.run.point_lookup import PointRead, _columns, point_read


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT * FROM t WHERE id = 5", PointRead(None, "t", "id", 5, ("*",))),
        ("select a, T.b from n.T where ID=-5 ;", PointRead("n", "t", "id", -5)),
        ("SELECT a FROM t WHERE k = 'x y'", PointRead(None, "t", "k", "x y", ("a",))),
        ("SELECT a FROM t\nWHERE k = ''", PointRead(None, "t", "k", "", ("a",))),
        ("SELECT a FROM t WHERE k = $1", PointRead(None, "t", "k", 7, ("a",))),
        ("SELECT DISTINCT a FROM t WHERE k = $2", PointRead(None, "t", "k", "seven")),
    ],
)
def test_a_plain_read_by_key_is_seen(sql: str, found: PointRead):
    assert point_read(sql, {"1": pa.scalar(7), "2": pa.scalar("seven")}) == found


def test_long_lists_of_columns_are_kept_nowhere():
    """A few hundred texts of a megabyte would be."""
    kept = _columns.cache_info().currsize
    wanted = point_read(f"SELECT {', '.join(f'c{number}' for number in range(2000))} FROM t WHERE id = 5", {})
    assert wanted == PointRead(None, "t", "id", 5)
    assert _columns.cache_info().currsize == kept


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t WHERE id = 5 OR a = 1",
        "SELECT * FROM t WHERE id = 5 AND a = 1",
        "SELECT * FROM t, u WHERE id = 5",
        "SELECT * FROM t JOIN u USING (id) WHERE id = 5",
        "SELECT * FROM t x WHERE id = 5",
        "SELECT * FROM t WHERE x.id = 5",
        "SELECT (SELECT max(id) FROM t) FROM t WHERE id = 5",
        "SELECT count(*) FROM t WHERE id = 5",
        "SELECT a FROM u UNION SELECT a FROM t WHERE id = 5",
        "SELECT a FROM t WHERE id = 5 UNION SELECT a FROM u",
        "SELECT a FROM t WHERE id = 5.0",
        "SELECT a FROM t WHERE id = 5e3",
        "SELECT a FROM t WHERE id = '5' || '6'",
        "SELECT a FROM t WHERE id = 'it''s'",
        "SELECT a FROM t WHERE id = E'5'",
        "SELECT a FROM t WHERE id = NULL",
        "SELECT a FROM t WHERE id = b",
        "SELECT a FROM t WHERE id = 12345678901234567890",
        'SELECT a FROM "T" WHERE id = 5',
        "SELECT a FROM t -- WHERE id = 5",
        "SELECT a /* FROM t */ FROM u WHERE id = 5",
        "SELECT 'a FROM t WHERE id = 5'",
        "SELECT a FROM t WHERE id = $3",
        "SELECT a FROM t WHERE id = $4",
        "SELECT id, _seq FROM t WHERE id = 5",
        "SELECT _DELETED FROM t WHERE id = 5",
        "EXPLAIN SELECT a FROM t WHERE id = 5",
        "DELETE FROM t WHERE id = 5",
    ],
)
def test_anything_else_is_not(sql: str):
    assert point_read(sql, {"1": pa.scalar(7), "4": pa.scalar(None, pa.int64())}) is None
