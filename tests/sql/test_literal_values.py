"""Literals that are read without the engine mean what they mean to it, and are refused in its words."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from flight_server.access.sessions.session import Session
from flight_server.sql.change import insert
from flight_server.sql.context.literal_values import literal_array
from storage.catalog.names import table_name
from storage.errors import FrostlineError
from tests.support.in_process import House, house

TYPES = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "TINYINT UNSIGNED",
    "BIGINT UNSIGNED",
    "DOUBLE",
    "DECIMAL(10, 2)",
    "DECIMAL(2, 2)",
    "DECIMAL(38, 0)",
    "DECIMAL(38, 10)",
    "BOOLEAN",
    "VARCHAR",
    "VARCHAR(3)",
    "CHAR(4)",
    "UUID",
    "JSON",
)
# fmt: off
ITEMS = (
    "1", "-1", "+1", "0", "-0", "+0", "007", "-007", "127", "128", "255", "256", "-129", "32768", "2147483648",
    "99999999999", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "18446744073709551616", "99999999999999999999", "123456789012345678901234567890",
    "1.5", "-1.5", "+1.5", ".5", "-.5", "1.", "0.1", "1.005", "0.99", "1.00", "12345678.90", "99999999.99",
    "999999999.99", "0.333333333333333333", "123456789.123456789", "4503599627370497.5", "0.30000000000000004",
    "-0.0", "1e3", "1E-3", "0x10", "- 1", "1 + 1", "-(1)", "(1)", "$$a$$", "E'a\\nb'",
    "'a'", "'it''s'", "''", "''''", "'  '", "'a  '", "'abcd'", "'abcde'", "'a\\b'", "'\u00c4\u00d6'", "'\U0001f642'",
    "'a' || 'b'", "'1'", "'1.5'", "'true'", "'2026-01-31'", "'2026-01-31 12:00:00'", "X'00ff'",
    "'{\"a\": 1}'", "'123e4567-e89b-12d3-a456-426614174000'",
    "TRUE", "false", "True", "NULL", "null", "DEFAULT", "now", "'a\nb'", "'--'", "' ; '",
)
# fmt: on


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Session]]:
    with house(tmp_path_factory.mktemp("literals")) as home:
        yield home, home.enter()


def outcome(home: House, session: Session, values: str) -> object:
    """The rows, as Arrow writes them (with signs of zeros), or the error."""
    try:
        home.do(session, f"INSERT INTO t VALUES {values}")
        return str(home.do(session, "SELECT v FROM t ORDER BY _seq").column("v"))
    except FrostlineError as error:
        return error.sqlstate, error.message
    finally:
        home.do(session, "TRUNCATE t")


@pytest.mark.parametrize("sql_type", TYPES)
def test_a_literal_means_what_it_means_to_the_engine(
    at: tuple[House, Session], monkeypatch: pytest.MonkeyPatch, sql_type: str
) -> None:
    home, session = at
    home.do(session, f"CREATE OR REPLACE TABLE t (v {sql_type})")
    column = home.engine.state.catalog.table(table_name("public", "t")).columns[0]
    items = [item for item in ITEMS if literal_array([item], column.type) is not None]  # the engine reads all others
    values = [f"({item})" for item in items] + [f"({item}), (NULL)" for item in items[::5]]
    read = [outcome(home, session, value) for value in values]
    monkeypatch.setattr(insert, "literal_array", lambda items, column_type: None)
    by_engine = [outcome(home, session, value) for value in values]
    differing = [(v, r, e) for v, r, e in zip(values, read, by_engine, strict=True) if r != e]
    assert differing == []


def test_rows_of_plain_literals_never_come_to_the_engine(
    at: tuple[House, Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, session = at
    home.do(session, "CREATE OR REPLACE TABLE t (a BIGINT, b VARCHAR, c DOUBLE, d DECIMAL(6, 2), e BOOLEAN)")
    monkeypatch.setattr(type(home.queries), "plan", None)
    home.do(session, "INSERT INTO t VALUES (1, 'it''s', 1.5, 2.25, TRUE), (NULL, NULL, NULL, NULL, NULL)")
    monkeypatch.undo()
    assert home.value(session, "SELECT count(*) FROM t") == 2


@pytest.mark.parametrize("kind", [pa.float32(), pa.binary(), pa.date32(), pa.timestamp("us"), pa.list_(pa.int32())])
def test_what_has_to_be_converted_is_left_to_the_engine(kind: pa.DataType) -> None:
    assert all(literal_array([item], kind) is None for item in ITEMS)
