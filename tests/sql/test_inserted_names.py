"""Rows of a query go into a table by their places: what the query's columns are called does not matter."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flight_server.access.sessions.session import Session
from tests.support.in_process import House, house

In = tuple[House, Session]

# The item of the SELECT list -> what the column of type DOUBLE, and of type VARCHAR, gets.
ITEMS: dict[str, tuple[object, object]] = {
    "NULL": (None, None),
    "1": (1.0, "1"),
    "-1": (-1.0, "-1"),
    "value": (7.0, "7"),
    "VALUE": (7.0, "7"),
    "value + 1": (8.0, "8"),
    "count(*)": (1.0, "1"),
    "max(value)": (7.0, "7"),
    'value AS "A"': (7.0, "7"),
    'value AS "null"': (7.0, "7"),
    'value AS "NULL"': (7.0, "7"),
    'value AS "a.b"': (7.0, "7"),
    'value AS "T.Value"': (7.0, "7"),
    'value AS "q""x"': (7.0, "7"),
    'value AS "a b"': (7.0, "7"),
    'value AS "é"': (7.0, "7"),
    'value AS "1"': (7.0, "7"),
    "value AS NaN": (7.0, "7"),
    "CAST(NULL AS INT)": (None, None),
    "CASE WHEN value > 1 THEN 2 END": (2.0, "2"),
    "coalesce(NULL, value)": (7.0, "7"),
    "(SELECT 3)": (3.0, "3"),
}


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[In]:
    with house(tmp_path_factory.mktemp("names")) as opened:
        session = opened.enter()
        opened.do(session, "CREATE TABLE t (d DOUBLE, s VARCHAR)")
        yield opened, session


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("place", [0, 1])
def test_an_item_of_any_name_is_cast_to_the_type_of_its_column(inside: In, item: str, place: int):
    opened, session = inside
    items = [item, "min(2) AS other" if "(*)" in item or "max" in item else "2 AS other"]
    opened.do(session, "DELETE FROM t")
    opened.do(
        session, f"INSERT INTO t SELECT {', '.join(items[:: 1 - 2 * place])} FROM generate_series(7, 7) AS g(value)"
    )
    [row] = opened.do(session, "SELECT d, s FROM t").to_pylist()
    assert list(row.values())[place] == ITEMS[item][place]


def test_two_items_of_one_name_go_to_their_places(inside: In):
    opened, session = inside
    opened.do(session, "DELETE FROM t")
    opened.do(session, "INSERT INTO t SELECT NULL, NULL")
    opened.do(session, "INSERT INTO t SELECT value, value FROM generate_series(7, 7) AS g(value)")
    rows = opened.do(session, "SELECT d, s FROM t ORDER BY d NULLS LAST").to_pylist()
    assert rows == [{"d": 7.0, "s": "7"}, {"d": None, "s": None}]
