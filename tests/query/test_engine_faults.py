"""Each fault of the engine: the answer is right in every state of the rows, and would not be without its mending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flight_server.query import QueryEngine, QuerySettings
from flight_server.query.care.engine_faults import ALL_MENDED, FAULTS
from storage.cold.file_store import only_local
from storage.cold.local_store import LocalStore
from storage.errors import FrostlineError, InvalidRequest, NotSupported
from tests.query.engine_fault_cases import CASES, TABLES, Case, answer
from tests.query.states import STATES, in_state, sorted_rows

TRIES = 150  # which part of a scan is read first is chance, and one of the faults depends on it


@contextmanager
def engine_without(fault: str, directory: Path) -> Iterator[QueryEngine]:
    (directory / "cold").mkdir()
    places = only_local(LocalStore(directory / "cold"))
    engine = QueryEngine(QuerySettings(memory_bytes_max=64 << 20), directory / "spill", places, ALL_MENDED - {fault})
    try:
        yield engine
    finally:
        engine.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fault}: {case.sql[:60]}")
@pytest.mark.parametrize("state", STATES)
def test_an_answer_is_right_whatever_the_state_of_its_rows(
    queries: QueryEngine, directory: Path, case: Case, state: str
):
    assert answer(case, state, queries, directory / "cold") == sorted_rows(case.right)


@pytest.mark.parametrize("fault", [fault.name for fault in FAULTS])
def test_the_mending_is_needed(tmp_path: Path, fault: str):
    """If this fails after an update of the engine, the fault is gone: take its line and its mending away."""
    with engine_without(fault, tmp_path) as engine:
        asked = [(case, state) for case in CASES if case.fault == fault for state in STATES]
        assert any(is_wrong(*one, engine, tmp_path) for one in asked * TRIES)


def is_wrong(case: Case, state: str, queries: QueryEngine, directory: Path) -> bool:
    try:
        return answer(case, state, queries, directory / "cold") != sorted_rows(case.right)
    except FrostlineError:
        return True


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            "SELECT id FROM a WHERE id = (SELECT max(n) FROM (SELECT rank() OVER () AS n FROM b WHERE b.k = a.k) AS x)",
            "derived table",
        ),
        (
            "SELECT id FROM a WHERE id = (SELECT max(id) FROM (SELECT b.id FROM b WHERE b.k = a.k) AS x)",
            "derived table",
        ),
        ("SELECT id, (SELECT y FROM b WHERE b.id < a.id ORDER BY y LIMIT 2) FROM a", "one aggregate over a WHERE"),
        ("SELECT id FROM a WHERE id = (SELECT DISTINCT y FROM b WHERE b.id < a.id)", "write it as a join"),
        (
            "SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE NOT EXISTS (SELECT 1 FROM e WHERE e.id = a.id))",
            "two levels below",
        ),
        ("SELECT count(*) IN (SELECT id FROM b) FROM a", "derived table"),
    ],
)
@pytest.mark.parametrize("state", STATES)
def test_what_can_not_be_planned_is_refused_in_every_state(
    queries: QueryEngine, directory: Path, sql: str, words: str, state: str
):
    with pytest.raises(NotSupported, match=words):
        in_state(state, queries, directory / "cold", TABLES).rows(sql)


def test_explain_says_what_was_done_and_why(queries: QueryEngine, directory: Path):
    database = in_state("hot", queries, directory / "cold", TABLES)
    shown = dict(database.rows("EXPLAIN SELECT b.id FROM a FULL JOIN b USING (id) WHERE a.x IS NULL"))
    assert "the keys of USING are those of whichever side has them" in shown["run with care"]
    assert "without eliminate_outer_join: the same above a FULL JOIN" in shown["run with care"]
    assert "run with care" not in dict(database.rows("EXPLAIN SELECT id FROM a"))


def test_every_fault_has_a_case():
    assert {fault.name for fault in FAULTS} == {case.fault for case in CASES}


@pytest.mark.parametrize("state", STATES)
def test_a_lookup_of_several_rows_is_an_error(queries: QueryEngine, directory: Path, state: str):
    with pytest.raises(InvalidRequest, match="more than one row") as raised:
        in_state(state, queries, directory / "cold", TABLES).rows("SELECT (SELECT y FROM b WHERE b.id > a.id) FROM a")
    assert raised.value.sqlstate == "21000"
