"""A value, a name or a pattern never chooses the error: whatever words are in it, it fails as with any other words."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import product

import pyarrow as pa
import pytest

from flight_server.access.sessions.session import Session
from flight_server.query.errors.rules import OPENINGS, RULES
from storage.errors import FrostlineError
from tests.sql_end_to_end.carriers import CARRIERS
from tests.support.in_process import House, house
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

# What the rules look for, in the engine's own words.
PHRASES = (
    "Resources exhausted: The used disk space",
    "Resources exhausted: Failed to allocate additional memory pool",
    "No space left on device",
    "Object Store error: Generic S3 error: Error performing GET",
    "Object Store error: not found: No such file or directory",
    "Parquet error: EOF",
    "IO error: Input/output error",
    "Internal error: array: bad",
    "Internal error: Function 'sum' failed to match any signature",
    "Column 'c1' is declared as non-nullable but contains null",
    "task 8 panicked with message",
    "panicked at src",
    "capacity overflow",
    "Hash table capacity overflow",
    "Join Error",
    "table '/etc/passwd' not found",
    "table 'frostline.a.b' not found",
    "table 'a.parquet' not found",
    "table function 'x' not found",
    "regex parse error: x\nerror: bad",
    "Cannot cast string 'Scalar subquery returned more than one row' to value of Int64",
    "Compiled regex exceeds size limit",
    'Schema contains qualified field name "?table?"',
    'Schema contains qualified field name a.b and unqualified field name b which would be ambiguous',
    "Schema contains duplicate qualified field name x",
    "Ambiguous reference to unqualified field x",
    "No field named x. Did you mean 'y'?",
    "No field named x. Valid fields are y.",
    "No field named x",
    'Projections require unique expression names but the expression "a" at position 0 and "a" at position 1 have the '
    "same name",
    "Unary operator '+' only supports",
    "Invalid function 'x'. Did you mean 'y'",
    "Invalid function 'x'",
    "Function 'x' user-defined coercion failed",
    "No function matches the given name and argument types 'x()'. You",
    "No function matches",
    "must appear in the GROUP BY clause",
    "Aggregate functions are not allowed in the WHERE",
    "different number of columns",
    "Too many columns! The subquery should only return one column",
    "Correlated scalar subquery must be aggregated",
    "does not support logical expression WindowFunction",
    "does not support logical expression Exists",
    "Correlated scalar subquery can only be used",
    "LIKE does not support escape_char",
    "only support a single SQL statement",
    "No SQL statements were provided",
    "Recursion limit",
    "SQL error: ParserError(\"x\")",
    "DML not supported: Insert",
    "Scalar subquery returned more than one row",
    "Divide by zero",
    "to Nanosecond",
    "Timestamp out of range",
    "overflow",
    "Cast error",
    "argument type for comparison operation Time64(ns) = Time64(ns)",
    "Placeholder",
    "not implemented",
    "cannot coerce",
)  # fmt: skip
ALARMS = PHRASES[:17]  # of those, the ones that would tell an operator something, or a client to try again
NEUTRAL = "Some harmless words"
LOOKUP = "Scalar subquery returned more than one row"
NO_NAME = "42602"  # a name with a line break in it, or too long a one

# How a phrase lies in a longer text: among quotes that look like ends, and behind what looks like the engine's labels.
WRAPPINGS = (
    "{}",
    "it''s {}",
    "x'' {}",
    "'' {} ''",
    'a" {} "b',
    'a\\" {} \\"b',
    "a` {} `b",
    "a\n{}",
    "a\ncaused by\n{}",
    "type_coercion\ncaused by\n{}",
    "DataFusion error: External error: {}",
    "a'' to value of Int32 type\ncaused by\n{}",
    "a'': {}",
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Session]]:
    with house(tmp_path_factory.mktemp("words")) as h:
        session = h.enter()
        h.do(session, "CREATE TABLE t (id INT, s TEXT)")
        h.do(session, "INSERT INTO t VALUES (1, 'a')")
        yield h, session


def fails_with(h: House, session: Session, sql: str) -> str | None:
    try:
        h.do(session, sql)
    except FrostlineError as error:
        return error.sqlstate
    return None


def filled(carrier: str, words: str) -> str:
    return carrier.format(s=words, q=words.replace("''", "'").replace('"', '""'))


def test_each_rule_has_a_phrase():
    for rule in (*OPENINGS, *RULES):
        assert any(rule.pattern.search(phrase) for phrase in PHRASES), rule.pattern.pattern


@pytest.mark.parametrize("carrier", CARRIERS)
def test_no_words_choose_the_error(opened: tuple[House, Session], carrier: str):
    h, session = opened
    expected = fails_with(h, session, filled(carrier, NEUTRAL))
    for phrase in PHRASES:
        found = fails_with(h, session, filled(carrier, phrase.replace("'", "''")))
        lookup = "21000" if LOOKUP in phrase else NO_NAME  # a mark of our own; it tells nobody anything
        assert found in (expected, NO_NAME, lookup), phrase


@pytest.mark.parametrize("carrier", CARRIERS)
def test_no_words_among_quotes_and_labels_ring_an_alarm(opened: tuple[House, Session], carrier: str):
    h, session = opened
    chosen = random.Random(carrier).sample(list(product(WRAPPINGS, ALARMS)), 40)
    for wrapping, phrase in chosen:
        found = fails_with(h, session, filled(carrier, wrapping.format(phrase.replace("'", "''"))))
        assert found is None or found[:2] in ("22", "42", "0A"), (wrapping, phrase)


@pytest.mark.parametrize("phrase", ALARMS)
def test_no_bound_and_no_ingested_value_rings_an_alarm(client: Client, server: ServerProcess, phrase: str):
    client.ingest("words", pa.table({"w": [phrase, f"it's {phrase}"]}), mode="create_append")
    client.do("COMMENT ON TABLE words IS '{}'".format(phrase.replace("'", "''")))
    refusals = [
        client.refusal("SELECT CAST(w AS INT) FROM words"),
        client.refusal("SELECT to_timestamp(w) FROM words"),
        client.refusal("SELECT 'a' ~ ('(' || w) FROM words"),
        client.refusal("SELECT CAST(? AS INT)", (phrase,)),
        client.refusal("SELECT to_timestamp(?)", (phrase,)),
        client.refusal("SELECT encode('a', ?)", (phrase,)),
    ]
    assert [str(one) for one in refusals if not re.search(r"\[(22|42|0A)", str(one))] == []
    assert [event for event in server.events if event["event"] in ("call_failed", "internal_error")] == []
