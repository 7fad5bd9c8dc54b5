"""What the rewriter reads it writes back with the same meaning: over each query of our files and of TPC-H, the engine
plans its copy as it plans the text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.tpch_data import queries as tpch_queries
from flight_server.query import QueryEngine, QueryScope, QuerySettings
from flight_server.rewrite.rewriter import copied
from flight_server.rewrite.tree.dialect import read, written
from storage.errors import FrostlineError
from tests.sqllogic.script import Query, Statement, parse
from tests.support.in_process import House, house

FILES = sorted((Path(__file__).parent.parent / "sqllogic" / "files").glob("*.slt"))


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("copies")) as opened:
        yield opened


@pytest.fixture(scope="module")
def engine(rooms: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryEngine]:
    """Which plans every text as it is."""
    made = QueryEngine(QuerySettings(), tmp_path_factory.mktemp("spill") / "s", rooms.engine.file_stores, frozenset())
    yield made
    made.close()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_engine_plans_a_copy_as_it_plans_the_text(rooms: House, engine: QueryEngine, path: Path):
    session = rooms.enter(path.stem)
    rooms.do(session, f"CREATE NAMESPACE copies_{path.stem}")
    session.namespace = f"copies_{path.stem}"
    for record in parse(path.read_text()):
        if isinstance(record, Query):
            _assert_same_plan(rooms, engine, session.namespace, record.sql)
        elif isinstance(record, Statement):
            with suppress(FrostlineError, AttributeError):  # there are no jobs here
                rooms.do(session, record.sql)


def _assert_same_plan(rooms: House, engine: QueryEngine, namespace: str, sql: str) -> None:
    scope = QueryScope(state=rooms.engine.state, namespace=namespace, now_ms=rooms.clock.wall_ms())
    try:
        wanted = engine.plan(sql, scope).shown
    except FrostlineError:  # SHOW and the like, and what reads system tables
        return
    assert engine.plan(copied(sql), scope).shown == wanted, sql


@pytest.mark.parametrize("name", tpch_queries())
def test_a_copy_of_a_copy_is_the_same(name: str):
    once = copied(tpch_queries()[name])
    assert written(read(once)) == once
