"""Rewritten texts are kept for as long as the catalog stays as it is, whatever becomes of the rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flight_server.query.care.kept_rewrites import KEPT_MAX, KeptRewrite, KeptRewrites
from storage.catalog.catalog import Catalog
from storage.maintenance.flush import flush_partition
from tests.support.in_process import House, house

JOINED = "SELECT * FROM a FULL JOIN b USING (id) ORDER BY d, id DESC"


@pytest.fixture
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("kept")) as opened:
        session = opened.enter()
        for sql in (
            "CREATE TABLE a (id INT, d DOUBLE)",
            "CREATE TABLE b (id INT, y INT)",
            "INSERT INTO a VALUES (1, 0.0), (2, CAST('-0.0' AS DOUBLE))",
            "INSERT INTO b VALUES (2, 20), (4, 40)",
        ):
            opened.do(session, sql)
        yield opened


def test_a_text_that_comes_again_has_the_new_columns_of_its_tables(rooms: House):
    session = rooms.enter()
    assert rooms.do(session, JOINED).column_names == ["id", "d", "y"]
    rooms.do(session, "ALTER TABLE b ADD COLUMN z INT")
    assert rooms.do(session, JOINED).column_names == ["id", "d", "y", "z"]


def test_a_text_that_comes_again_is_right_in_every_state_of_the_rows(rooms: House):
    session = rooms.enter()
    before = rooms.do(session, JOINED)
    assert before["id"].to_pylist() == [2, 1, 4]
    for table in list(rooms.engine.state.catalog.tables.values()):
        flush_partition(rooms.engine, table, rooms.engine.state.partition(table.partition_id), lambda: False)
    assert rooms.do(session, JOINED) == before
    rooms.do(session, "UPDATE a SET id = id WHERE id = 1")
    assert rooms.do(session, JOINED) == before


def test_another_catalog_forgets_all_texts():
    kept, first, second = KeptRewrites(), Catalog(), Catalog()
    one = KeptRewrite("SELECT 1", (), {})
    assert kept.get(first, "a") is None
    kept.put(first, "a", one)
    assert kept.get(first, "a") is one
    assert kept.get(second, "a") is None
    kept.put(first, "a", one)  # planned under the first, and too late
    assert kept.get(second, "a") is None


def test_no_more_than_so_many_are_kept():
    kept, catalog = KeptRewrites(), Catalog()
    kept.get(catalog, -1)
    for number in range(KEPT_MAX + 1):
        kept.put(catalog, number, KeptRewrite("SELECT 1", (), {}))
    assert kept.get(catalog, 0) is None
    assert kept.get(catalog, KEPT_MAX) is not None
