"""What makes the engine fail, not refuse: the client is told about its arguments, the operator reads why in the log."""

from __future__ import annotations

import random
from contextlib import suppress
from itertools import product

import pyarrow as pa
import pytest
from datafusion import SessionConfig, SessionContext
from structlog.testing import capture_logs

from flight_server.query.errors.mapping import query_error
from storage.errors import FrostlineError
from tests.support.query_database import Database


class PanicException(BaseException):
    """As PyO3 raises it: by its name, and no Exception."""


PANICS = (
    "capacity overflow",
    "Hash table capacity overflow",
    "attempt to multiply with overflow",
    "index out of bounds: the len is 3 but the index is 5",
    "called `Option::unwrap()` on a `None` value",
    'called `Result::unwrap()` on an `Err` value: LayoutError',
    "No space left on device",
    "Parquet error: EOF",
    "Cannot cast string 'x' to value of Int32 type",
)  # fmt: skip


@pytest.mark.parametrize("words", PANICS)
def test_a_panic_is_told_by_its_kind_not_by_its_words(words: str):
    panicked = Exception(
        f'DataFusion error: Join Error\ncaused by\nExternal error: task 8 panicked with message "{words}"'
    )
    for error in (PanicException(words), panicked):
        with capture_logs() as logged:
            mapped = query_error(error)
        assert mapped.sqlstate == "22023"
        assert words not in mapped.message
        assert [(event["event"], event["log_level"], event["panic"]) for event in logged] == [
            ("engine_failed", "warning", True)
        ]


@pytest.mark.parametrize(
    ("sql", "sqlstate", "words"),
    [
        ("SELECT array_resize([1, 2], -1, 3)", "22023", "function 'array_resize' can't take these arguments"),
        ("SELECT array_resize([1, 2], -9223372036854775807 - 1, 3)", "22023", "array_resize"),
        ("SELECT lpad('é', -1, NULL)", "22023", "can't take these arguments"),
        ("SELECT array_add([[1], [2]], NULL)", "22023", "can't take these arguments"),
        ("SELECT max(MAP {'a': value}) FROM generate_series(1, 3)", "22023", "can't take these arguments"),
        ("SELECT char_length({'a': 1})", "42883", "no function matches character_length"),
        ("SELECT 'x' ~ '(a{1000}){1000}'", "2201B", "too large"),
        ("SELECT value::text ~ '(a{1000}){1000}' FROM generate_series(1, 3)", "2201B", "too large"),
        ("SELECT regexp_match('x', '(a{1000}){1000}')", "2201B", "too large"),
        ("SELECT 'a' ~ '('", "2201B", "a regular expression can't be read: unclosed group"),
        ("SELECT value::text ~ '(' FROM generate_series(1, 3)", "2201B", "can't be read"),
    ],
)
def test_arguments_that_the_engine_fails_on_are_the_clients(db: Database, sql: str, sqlstate: str, words: str):
    with pytest.raises(FrostlineError, match=words) as refused:
        db.rows(sql)
    assert refused.value.sqlstate == sqlstate


def test_the_log_has_the_engines_words_without_the_callers():
    with capture_logs() as logged:
        query_error(Exception("DataFusion error: Internal error: f: can't take 'my secret' as \"another one\""))
    [event] = logged
    assert event["words"] == "DataFusion error: Internal error: f: can't take '..' as \"..\""


def test_memory_that_is_not_there_is_a_limit():
    assert query_error(pa.ArrowMemoryError("malloc of size 99 failed")).sqlstate == "53200"
    assert query_error(pa.ArrowCapacityError("array cannot contain more than 2147483646 bytes")).sqlstate == "54000"


HOSTILE = (
    "NULL", "-1", "0", "9223372036854775807", "(-9223372036854775807 - 1)", "'NaN'::double", "'Infinity'::double", "''",
    "'é'", "'(('", "[[1], [2]]", "[1, 2]", "[]", "MAP {'a': 1}", "{'a': 1}", "TIMESTAMP '9999-12-31 00:00:00'",
    "DATE '0001-01-01'", "INTERVAL '178000000 years'", "true", "X'ff'", "arrow_cast(1, 'UInt64')", "'%Q %!'",
    "CAST('99999999999999999999999999999999999999' AS DECIMAL(38, 0))",
)  # fmt: skip
# A large number makes these large, which the guard of texts refuses before they get here.
AMPLIFIERS = ("repeat", "lpad", "rpad", "array_repeat", "list_repeat", "array_resize", "list_resize", "range")
SERIES = ("generate_series", "range", "gen_series")
AT_ONCE = 24  # calls of each function


def calls(name: str) -> list[str]:
    arguments = [(one,) for one in HOSTILE] + list(product(HOSTILE, repeat=2)) + list(product(HOSTILE[:12], repeat=3))
    if name in AMPLIFIERS or name in SERIES:
        arguments = [one for one in arguments if not any("9223" in each or "9999" in each for each in one)]
    if name in SERIES:
        arguments = [one for one in arguments if not any("DATE" in each for each in one)]
    chosen = random.Random(name).sample(arguments, AT_ONCE)
    return [f"SELECT {name}({', '.join(one)})" for one in chosen]


def test_no_function_answers_hostile_arguments_with_a_defect(db: Database):
    context = SessionContext(SessionConfig().with_information_schema())
    listed = context.sql("SELECT DISTINCT routine_name AS name FROM information_schema.routines")
    names = sorted(row["name"] for row in listed.to_pylist())
    assert len(names) > 250
    answered = {sql: outcome(db, sql) for name in names for sql in calls(name)}
    assert {sql: told for sql, told in answered.items() if told[:2] not in ("22", "42", "0A", "07", "ok")} == {}


def outcome(db: Database, sql: str) -> str:
    try:
        with suppress(OverflowError):  # a date that Python's do not reach
            db.rows(sql)
    except FrostlineError as error:
        return f"{error.sqlstate} {error.message}"
    return "ok"
