"""Every place that takes a number x numbers that are none, or too long: a clear error or the number, never a defect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flight_server.access.sessions.session import Session
from flight_server.sql.interface.request import Request
from storage.errors import FrostlineError
from storage.whole_numbers import whole_number
from tests.sql_end_to_end.number_statements import STATEMENTS
from tests.support.in_process import House, house

LONG = "9" * 5000
HUGE = ("9" * 19, "9" * 20, LONG, "-" + "9" * 20, "-" + LONG, "1e400", "0" * 5000 + "7", "NaN", "1.5", "+1", "0x10")
FOREIGN = ("٣", "1٣", "²", "1_000")  # Python reads most of these as numbers
QUOTED = (" 1", "1 ", "", "inf", "Infinity", "0x10", "1e3")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Session]]:
    with house(tmp_path_factory.mktemp("numbers")) as h:
        session = h.enter()
        h.do(session, "CREATE TABLE t (id INT PRIMARY KEY, f DOUBLE)")
        h.do(session, "INSERT INTO t VALUES (1, 1.5), (2, 2.5)")
        yield h, session


def outcome(h: House, session: Session, sql: str) -> str:
    """The SQLSTATE; anything but our own errors goes on as it is."""
    try:
        h.statements.run(Request(session, sql)).start()
    except FrostlineError as error:
        return error.sqlstate
    finally:
        for undo in ("DROP VIEW IF EXISTS v", "DROP TABLE IF EXISTS x", "RESET statement_timeout_seconds"):
            h.do(session, undo)
    return "ok"


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_number_is_read_or_refused_by_name(opened: tuple[House, Session], statement: str):
    for number in HUGE + FOREIGN + (QUOTED if "'{}" in statement else ()):
        told = outcome(*opened, statement.replace("{}", number))
        assert told == "ok" or told[:2] in ("07", "0A", "21", "22", "23", "42", "54"), (number[:20], told)


TAKES_TEXT = ("AS OF '", "time_zone", "KILL", '"t@v')  # a text that need not be a number


@pytest.mark.parametrize("statement", [one for one in STATEMENTS if not any(part in one for part in TAKES_TEXT)])
@pytest.mark.parametrize("number", FOREIGN)
def test_no_other_script_and_no_digit_groups_are_taken_for_a_number(
    opened: tuple[House, Session], statement: str, number: str
):
    assert outcome(*opened, statement.replace("{}", number)) != "ok"


@pytest.mark.parametrize("text", [*FOREIGN, *QUOTED, "-1", "+1", "1.0", "9" * 20, LONG])
def test_what_is_no_whole_number(text: str):
    assert whole_number(text) is None


def test_whole_numbers():
    assert [whole_number(text) for text in ("0", "7", "0" * 5000 + "7", "9223372036854775807")] == [0, 7, 7, 2**63 - 1]
