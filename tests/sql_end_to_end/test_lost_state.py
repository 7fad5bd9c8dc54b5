"""State is never lost in silence: who comes to a transaction or session that the server ended is told, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flight_server.access.sessions.session import Session, SessionLost
from flight_server.sql.interface.request import Request
from storage.errors import FrostlineError
from tests.access.lent_texts import LENT_TEXTS, NEVER_TEXTS
from tests.support.in_process import House, house

IDLE_SECONDS = 300
ENDS = ("COMMIT", "END", "COMMIT WORK", "ROLLBACK", "ABORT", "ROLLBACK TRANSACTION")
STATEMENTS = [text for text in (*LENT_TEXTS, *NEVER_TEXTS) if text not in ("COMMIT", "ROLLBACK")]
SETTINGS = {
    "namespace": "USE n",
    "time zone": "SET time_zone = '+02:00'",
    "durability": "SET durability = 'relaxed'",
    "compression": "SET compression = 'zstd'",
    "types": "SET exact_types = true",
    "timeout": "SET statement_timeout_seconds = 5",
    "temporary table": "CREATE TEMP TABLE mine (a INT)",
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as opened:
        opened.do(opened.enter("first"), "CREATE TABLE a (v INT); INSERT INTO a VALUES (100); CREATE NAMESPACE n")
        yield opened


def lost(home: House, id_: str = "s") -> Session:
    """A session whose transaction idled until the server ended it."""
    session = home.enter(id_)
    home.do(session, "BEGIN; UPDATE a SET v = v - 50")
    home.clock.advance(IDLE_SECONDS)
    assert home.sessions.end_idle_transactions(IDLE_SECONDS) == 1
    return session


def refusal(act: Callable[[], object]) -> FrostlineError:
    with pytest.raises(FrostlineError) as raised:
        act()
    return raised.value


# --- transactions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", STATEMENTS)
def test_every_statement_after_the_server_ended_its_transaction_is_refused(home: House, text: str) -> None:
    session = lost(home)
    for _ in range(2):
        error = refusal(lambda: home.do(session, text))
        assert error.sqlstate == "25P03"
        assert error.message == (
            "the transaction was ended after 300 s of idleness, and nothing of it was stored; ROLLBACK, then begin anew"
        )
    home.do(session, "ROLLBACK")
    assert home.value(session, "SELECT v FROM a") == 100


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("prepared", [False, True])
def test_commit_tells_it_and_rollback_succeeds_and_both_clear_it(home: House, end: str, prepared: bool) -> None:
    session = lost(home)
    if prepared:
        assert home.statements.describe(Request(session, end)).is_update
    if end.startswith(("ROLLBACK", "ABORT")):
        home.do(session, end)
    else:
        assert refusal(lambda: home.do(session, end)).sqlstate == "25P03"
    home.do(session, "UPDATE a SET v = v + 1")
    assert home.value(session, "SELECT v FROM a") == 101


def test_half_of_a_transfer_is_not_stored_by_any_way_in(home: House) -> None:
    session = lost(home)
    rows = pa.record_batch({"1": pa.array([1, 2])})
    for act in (
        lambda: home.do(session, "UPDATE a SET v = v + 50; COMMIT"),
        lambda: home.statements.run_many(Request(session, "INSERT INTO a VALUES (?)"), [rows]),
        lambda: home.statements.run(Request(session, "INSERT INTO a VALUES (?)", None, rows.slice(0, 1))),
        lambda: home.statements.describe(Request(session, "INSERT INTO a VALUES (?)")),
        lambda: home.do(session, "BEGIN"),
    ):
        assert refusal(act).sqlstate == "25P03"
    other = home.enter("other")
    assert home.do(other, "SELECT v FROM a").column("v").to_pylist() == [100]


def test_a_transaction_begun_by_its_id_that_texts_joined_without_it_is_told_too(home: House) -> None:
    session = home.enter()
    id_ = home.statements.begin(session)
    home.do(session, "UPDATE a SET v = v - 50")
    home.clock.advance(IDLE_SECONDS)
    home.sessions.end_idle_transactions(IDLE_SECONDS)
    assert refusal(lambda: home.do(session, "UPDATE a SET v = v + 50")).sqlstate == "25P03"
    assert refusal(lambda: home.statements.run(Request(session, "SELECT 1", id_))).sqlstate == "25P03"
    assert refusal(lambda: home.statements.end(session, id_, True)).sqlstate == "25P03"
    home.statements.end(session, id_, False)
    assert home.value(session, "SELECT v FROM a") == 100


# --- sessions --------------------------------------------------------------------------------------------------


def idled(home: House, *texts: str) -> Session:
    """The session of the same name, after the first one idled too long."""
    session = home.enter()
    for text in texts:
        home.do(session, text)
    home.clock.advance(100)
    assert home.sessions.expire_idle() >= 1
    again = home.enter()
    assert again is not session
    return again


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("way", ["run", "describe", "begin", "run_many"])
def test_a_session_that_idled_with_state_is_told_once(home: House, kind: str, way: str) -> None:
    session = idled(home, SETTINGS[kind])
    rows = pa.record_batch({"1": pa.array([1, 2])})
    ways: dict[str, Callable[[], object]] = {
        "run": lambda: home.do(session, "SELECT 1"),
        "describe": lambda: home.statements.describe(Request(session, "SELECT 1")),
        "begin": lambda: home.statements.begin(session),
        "run_many": lambda: home.statements.run_many(Request(session, "INSERT INTO a VALUES (?)"), [rows]),
    }
    error = refusal(ways[way])
    assert isinstance(error, SessionLost)
    assert error.sqlstate == "57P05"
    assert "ended after 100 s of idleness" in error.message
    ways[way]()
    assert home.do(home.enter("other"), "SELECT v FROM a").num_rows == (3 if way == "run_many" else 1)


def test_a_session_without_state_begins_anew_in_silence(home: House) -> None:
    session = idled(home, "SELECT 1", "BEGIN; SELECT 1; COMMIT", "SET durability = 'relaxed'; SET durability = 'full'")
    assert home.value(session, "SELECT v FROM a") == 100


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", [None, *SETTINGS])
def test_a_transaction_that_went_with_its_session_goes_on_nowhere(home: House, kind: str | None, end: str) -> None:
    before = () if kind is None else (SETTINGS[kind],)
    session = idled(home, *before, "BEGIN; UPDATE public.a SET v = v - 50")
    told = [refusal(lambda: home.do(session, "UPDATE public.a SET v = v + 50")).sqlstate for _ in range(3)]
    assert told == ["25P03" if kind is None else "57P05", "25P03", "25P03"]
    if end.startswith(("ROLLBACK", "ABORT")):
        home.do(session, end)
    else:
        assert refusal(lambda: home.do(session, end)).sqlstate == "25P03"
    assert home.value(session, "SELECT v FROM public.a") == 100


def test_what_was_not_told_yet_is_not_forgotten_by_idling_again(home: House) -> None:
    idled(home, "USE n", "BEGIN; UPDATE public.a SET v = 0")
    session = idled(home)
    assert refusal(lambda: home.do(session, "SELECT 1")).sqlstate == "57P05"
    assert refusal(lambda: home.do(session, "SELECT 1")).sqlstate == "25P03"


def test_no_transaction_begins_in_a_session_that_ended_meanwhile(home: House) -> None:
    session = home.enter()
    home.sessions.close(session.id, 0)
    assert refusal(lambda: home.do(session, "BEGIN")).sqlstate == "57014"
    assert refusal(lambda: home.statements.begin(session)).sqlstate == "57014"
