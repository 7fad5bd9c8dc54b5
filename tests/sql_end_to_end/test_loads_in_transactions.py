"""Statements of a transaction that went straight to files, and what later ones of it do to the same keys."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.access.sessions.session import Session
from storage.errors import ConstraintViolated, FrostlineError
from storage.settings import StorageSettings
from tests.support.in_process import House, house

SPILLING = StorageSettings(hot_statement_bytes_max=1000, row_group_rows=64)
LOAD = "INSERT INTO t SELECT value, 'loaded' FROM generate_series({}, {})"


@pytest.fixture
def h(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, SPILLING) as made:
        made.do(made.enter(), "CREATE TABLE t (id BIGINT PRIMARY KEY, s VARCHAR)")
        yield made


def rows(h: House) -> dict[int, str]:
    found = h.do(h.enter("look"), "SELECT id, s FROM t").to_pylist()
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row["s"] for row in found}


def refusal(h: House, session: Session, sql: str) -> str:
    try:
        h.do(session, sql)
    except FrostlineError as error:
        return error.sqlstate
    return ""


def test_an_upsert_after_a_load_replaces_its_rows(h: House):
    session = h.enter()
    h.do(session, "BEGIN")
    h.do(session, LOAD.format(1, 200))
    h.do(session, "INSERT INTO t VALUES (7, 'later') ON CONFLICT (id) DO UPDATE SET s = excluded.s")
    assert h.value(session, "SELECT count(*) FROM t WHERE id = 7") == 1
    assert h.value(session, "SELECT s FROM t WHERE id = 7") == "later"
    h.do(session, "COMMIT")
    assert rows(h) == {**dict.fromkeys(range(1, 201), "loaded"), 7: "later"}


def test_a_key_of_a_load_is_taken_for_the_next_statement(h: House):
    session = h.enter()
    h.do(session, "BEGIN")
    h.do(session, LOAD.format(1, 200))
    with pytest.raises(ConstraintViolated):
        h.do(session, "INSERT INTO t VALUES (7, 'again')")
    h.do(session, "COMMIT")
    assert rows(h) == dict.fromkeys(range(1, 201), "loaded")


def test_a_key_deleted_after_a_load_is_free_again(h: House):
    session = h.enter()
    h.do(session, "BEGIN")
    h.do(session, LOAD.format(1, 200))
    h.do(session, "DELETE FROM t WHERE id <= 10")
    h.do(session, "INSERT INTO t VALUES (7, 'again')")
    h.do(session, "COMMIT")
    assert rows(h) == {**dict.fromkeys(range(11, 201), "loaded"), 7: "again"}


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_loads_and_small_changes_ends_as_the_statements_say(h: House, seed: int):
    chance = random.Random(seed)
    session, expected = h.enter(), dict[int, str]()
    h.do(session, "BEGIN")
    for number in range(14):
        first, last = sorted((chance.randint(1, 400), chance.randint(1, 400)))
        kind, before = chance.choice(("upsert", "delete", "update", "insert", "savepoint")), dict(expected)
        if kind == "insert" and any(key in expected for key in range(first, last + 1)):
            first, last = 1000 * number, 1000 * number + chance.randint(1, 200)  # a load meets taken keys at COMMIT
        word = f"{kind}{number}"
        keys = range(first, last + 1)
        values = f"SELECT value, '{word}' FROM generate_series({first}, {last})"
        match kind:
            case "insert":
                sql = f"INSERT INTO t {values}"
                expected |= dict.fromkeys(keys, word)
            case "upsert":
                sql = f"INSERT INTO t {values} ON CONFLICT (id) DO UPDATE SET s = excluded.s"
                expected |= dict.fromkeys(keys, word)
            case "delete":
                sql = f"DELETE FROM t WHERE id BETWEEN {first} AND {last}"
                expected = {key: s for key, s in expected.items() if key not in keys}
            case "update":
                sql = f"UPDATE t SET s = '{word}' WHERE id BETWEEN {first} AND {last}"
                expected = {key: word if key in keys else s for key, s in expected.items()}
            case _:
                h.do(session, "SAVEPOINT a")
                h.do(session, f"DELETE FROM t WHERE id >= {first}")
                sql, expected = "ROLLBACK TO SAVEPOINT a", before
        refused = refusal(h, session, sql)
        assert refused in ("", "23505"), sql
        expected = before if refused else expected
        found = h.do(session, "SELECT id, s FROM t").to_pylist()
        assert sorted((row["id"], row["s"]) for row in found) == sorted(expected.items()), sql
    h.do(session, "COMMIT")
    assert rows(h) == expected
