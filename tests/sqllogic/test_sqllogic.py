"""Every file of statements, in every mode that it has something to say in. A failure names file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.sql.live.settings import LiveSettings
from storage.clock import SystemClock
from tests.sqllogic.databases import Database, InProcess, Server
from tests.sqllogic.runner import Failed, Runner
from tests.sqllogic.script import BadScript, Control, Query, Record, Statement, parse
from tests.support.in_process import house

ENDED = object()
# What they ask for is only there with jobs and system tables, or takes at least a millisecond.
OF_SERVERS = {"definitions", "errors", "looking_around", "namespaces", "streams", "time_travel"}
FILES = sorted((Path(__file__).parent / "files").glob("*.slt"))


def records_of(path: Path) -> list[Record]:
    return parse(path.read_text(encoding="utf-8"))


def restarts_of(path: Path) -> int:
    return sum(isinstance(record, Control) and record.word == "restart" for record in records_of(path))


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sqllogic"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def in_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with house(tmp_path_factory.mktemp("records"), live=LiveSettings(), clock=SystemClock()) as opened:
        yield InProcess(opened)


@pytest.mark.parametrize("mode", ["hot", "flushed"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_file_comes_out_as_written(one_server: Server, in_process: InProcess, path: Path, mode: str):
    database: Database = one_server if path.stem in OF_SERVERS else in_process
    for _ in Runner(database, path, mode).run(records_of(path)):
        raise AssertionError("no restart in these modes")


def test_the_files_come_out_as_written_over_restarts(one_server: Server):
    """All files go on to their next restart, and the server is restarted once for all of them."""
    restarted = [path for path in FILES if restarts_of(path)]
    assert len(restarted) > 10
    runs = [Runner(one_server, path, "restarted").run(records_of(path)) for path in restarted]
    while True:
        runs = [run for run in runs if next(run, ENDED) is not ENDED]
        if not runs:
            return
        one_server.restart()


def test_there_are_hundreds_of_records():
    records = [record for path in FILES for record in records_of(path)]
    assert sum(isinstance(record, Query | Statement) for record in records) >= 600
    assert all(record.expected is not None for record in records if isinstance(record, Query))


@pytest.mark.parametrize(
    "text",
    [
        "statement maybe\nSELECT 1",
        "query\nSELECT 1",
        "query I upside\nSELECT 1",
        "restart now",
        "SELECT 1",
        "statement ok",
        "skipif hot",
    ],
)
def test_what_is_no_record_is_refused(text: str):
    with pytest.raises(BadScript):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "statement ok\nSELECT nothing",
        "statement error 42P01\nSELECT 1",
        "statement error 42601\nSELECT nothing",
        "statement error 42703 pears\nSELECT nothing",
        "statement count 2\nCREATE TABLE t (a INT)",
        "query I\nSELECT 1\n----\n2",
        "query I\nSELECT 1\n----",
        "query T\nSELECT 1\n----\n1",
        "query II\nSELECT 1\n----\n1",
        "query I\nSELECT * FROM (VALUES (2), (1)) AS t (a) ORDER BY a\n----\n2\n1",
    ],
)
def test_a_record_that_is_wrong_fails(in_process: InProcess, tmp_path: Path, text: str):
    with pytest.raises(Failed, match=r"wrong\.slt:1"):
        list(Runner(in_process, tmp_path / "wrong.slt", "hot").run(parse(text)))
