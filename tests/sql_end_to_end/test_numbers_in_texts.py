"""Every place that takes a number x numbers that are none, or too long: a clear error or the number, never a defect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flight_server.access.sessions.sessions import Session
from storage.errors import FrostlineError
from storage.whole_numbers import whole_number
from tests.sql_end_to_end.in_process import House, house

LONG = "9" * 5000
HUGE = ("9" * 19, "9" * 20, LONG, "-" + "9" * 20, "-" + LONG, "1e400", "0" * 5000 + "7", "NaN", "1.5", "+1", "0x10")
FOREIGN = ("٣", "1٣", "²", "1_000")  # Python reads most of these as numbers
QUOTED = (" 1", "1 ", "", "inf", "Infinity", "0x10", "1e3")

STATEMENTS = (
    "SELECT * FROM t LIMIT {}",
    "SELECT * FROM t OFFSET {}",
    "SELECT * FROM t FETCH FIRST {} ROWS ONLY",
    "SELECT * FROM t ORDER BY {}",
    "SELECT DISTINCT f FROM t ORDER BY {}",
    "SELECT id FROM t GROUP BY {}",
    "SELECT f FROM t GROUP BY {}",
    "SELECT id, count(*) FROM t GROUP BY ROLLUP({})",
    "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE u.id > t.id GROUP BY {})",
    "SELECT DISTINCT ON ({}) id FROM t",
    "SELECT id FROM t UNION SELECT {} ORDER BY {}",
    "SELECT * FROM t AS OF VERSION {}",
    "SELECT * FROM t AS OF '{}'",
    "SELECT INTERVAL '{}' DAY",
    "SELECT INTERVAL '{} days'",
    "SELECT CAST(1 AS DECIMAL({}, 0))",
    "SELECT CAST(1 AS DECIMAL(5, {}))",
    "SELECT CAST('a' AS VARCHAR({}))",
    "SELECT CAST(now() AS TIMESTAMP({}))",
    "SELECT CAST({} AS BIGINT)",
    "SELECT CAST('{}' AS BIGINT)",
    "SELECT CAST('{}' AS DECIMAL(38, 5))",
    "CREATE TABLE x (a DECIMAL({}))",
    "CREATE TABLE x (a DECIMAL(10, {}))",
    "CREATE TABLE x (a VARCHAR({}))",
    "CREATE TABLE x (a TIMESTAMP({}))",
    "CREATE TABLE x (a INT[{}])",
    "CREATE TABLE x (a INT DEFAULT {})",
    "CREATE TABLE x (a INT CHECK (a > {}))",
    "CREATE TABLE x (a INT) WITH (flush_policy = 'rows:{}')",
    "CREATE TABLE x (a INT) WITH (flush_policy = 'interval:{}s')",
    "CREATE TABLE x (a INT) WITH (flush_policy = 'bytes:{}M')",
    "CREATE TABLE x (a INT) WITH (retention = '{}')",
    "CREATE TABLE x (a INT) WITH (retention = '{}d')",
    "CREATE STREAM TABLE x (a INT) WITH (retention = '{}h')",
    "CREATE STREAM TABLE x (a INT) WITH (max_buffer = '{}')",
    "CREATE TABLE x (a BIGINT GENERATED ALWAYS AS IDENTITY (START WITH {}))",
    "CREATE TABLE x (a BIGINT GENERATED ALWAYS AS IDENTITY (INCREMENT BY {}))",
    "CREATE VIEW v AS SELECT * FROM t LIMIT {}",
    "ALTER TABLE t ALTER COLUMN id TYPE DECIMAL({})",
    "ALTER TABLE t SET (flush_policy = 'rows:{}')",
    "SET statement_timeout_seconds = {}",
    "SET statement_timeout_seconds = '{}'",
    "SET time_zone = '+{}:00'",
    "SET exact_types = {}",
    "KILL QUERY '{}'",
    "KILL QUERY {}",
    "KILL LIVE QUERY '{}'",
    "SELECT ${}",
    "SUBSCRIBE TO SELECT * FROM t OPTIONS (from_seq = {})",
    "SUBSCRIBE TO SELECT * FROM t OPTIONS (batch_size = {})",
    "SELECT lag(id, {}) OVER (ORDER BY id) FROM t",
    "SELECT ntile({}) OVER (ORDER BY id) FROM t",
    "SELECT nth_value(id, {}) OVER (ORDER BY id) FROM t",
    "SELECT sum(id) OVER (ORDER BY id ROWS {} PRECEDING) FROM t",
    "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN {} PRECEDING AND {} FOLLOWING) FROM t",
    "SELECT repeat('a', {})",
    "SELECT repeat('a', ({}))",
    "SELECT range(0, {})",
    "SELECT * FROM generate_series(1, {}) LIMIT 1",
    "SELECT * FROM t WHERE id = {}",
    "SELECT * FROM t WHERE id = '{}'",
    "SELECT * FROM t WHERE id IN ({})",
    "INSERT INTO t (id) VALUES ({})",
    "INSERT INTO t (id) VALUES ('{}')",
    "UPDATE t SET id = {}",
    "DELETE FROM t WHERE id = {}",
    "SELECT date_bin(INTERVAL '{} minutes', TIMESTAMP '2020-01-01')",
    "SELECT to_timestamp({})",
    "SELECT to_timestamp_seconds({})",
    "SELECT substr('abc', {})",
    "SELECT arrow_cast(1, 'Decimal128({}, 0)')",
    'SELECT * FROM "t@v{}"',
    "SELECT TIMESTAMP '{}-01-01'",
    "SELECT {}",
)


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
        h.statements.run(session, sql, None, None, lambda: False).start()
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
