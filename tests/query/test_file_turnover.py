"""Contexts forget the files that they remember once most of these are gone."""

from __future__ import annotations

from datafusion import RuntimeEnvBuilder

from flight_server.query.sessions.contexts import Contexts
from flight_server.query.sessions.file_turnover import GONE_MIN, FileTurnover
from flight_server.query.sessions.settings import QuerySettings
from storage.engine import Engine
from tests.support import storage_builders as furniture


class Files:
    def __init__(self) -> None:
        self.gone = 0
        self.live = 10
        self.asked = 0

    def turnover(self) -> FileTurnover:
        return FileTurnover(lambda: self.gone, self._count)

    def _count(self) -> int:
        self.asked += 1
        return self.live


def test_a_turnover_is_complete_once_when_enough_files_are_gone():
    files = Files()
    turnover = files.turnover()
    found = []
    for files.gone in range(3 * GONE_MIN + 1):
        if turnover.is_complete():
            found.append(files.gone)
    assert found == [GONE_MIN, 2 * GONE_MIN, 3 * GONE_MIN]
    assert files.asked == 3


def test_with_many_files_as_many_must_be_gone_and_they_are_seldom_counted():
    files = Files()
    files.live = 5000
    turnover = files.turnover()
    found = []
    for files.gone in range(10_001):
        if turnover.is_complete():
            found.append(files.gone)
    assert found == [5000, 10_000]
    assert files.asked <= 5


def test_runners_are_made_anew_with_each_turnover():
    files = Files()
    contexts = Contexts(QuerySettings(), RuntimeEnvBuilder(), files.turnover())
    first = contexts.runner("+00:00")
    assert contexts.runner("+00:00") is first
    files.gone = GONE_MIN
    second = contexts.runner("+00:00")
    assert second is not first
    assert contexts.runner("+00:00") is second


def test_the_engine_counts_each_file_that_is_removed(engine: Engine):
    table = furniture.make_table(engine)
    for key in range(3):
        furniture.insert(engine, table, (key, "x"))
        furniture.flush(engine, table)
    before = engine.rows.files_gone
    furniture.compact(engine, table)
    engine.obsolete_files.remove_unused()
    assert engine.rows.files_gone - before == 3
