"""What a live query's WHERE lets through is the same whether the engine looks or the condition is worked out here."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pyarrow as pa
import pytest

from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.statements.live import Subscribe
from flight_server.parser.text.sql_text import SqlText
from flight_server.sql.live.selection import Selection
from storage.catalog.names import TableName
from storage.commit.deltas import no_rows
from storage.errors import FrostlineError
from tests.support.local_client import LocalClient

COLUMNS = "(i BIGINT, n SMALLINT, u BIGINT UNSIGNED, t VARCHAR, b BOOLEAN, d DOUBLE, m DECIMAL(9, 2), day DATE)"
VALUES: dict[str, list[object]] = {
    "i": [-(2**63), -5, 0, 5, 2**63 - 1, None],
    "n": [-32768, -5, 0, 5, None],
    "u": [0, 5, 2**63, 2**64 - 1, None],
    "t": ["", "a", "A", "b", "it's", "ü", "5", 'say "so"', "a\nb", None],
    "b": [True, False, None],
}
LITERALS = [
    *("5", "-5", "0", "+5", "5.0", "1e2", "32768", "9223372036854775807", "-9223372036854775808"),
    *("18446744073709551615", "NULL", "TRUE", "false", "'a'", "''", "'it''s'", "'ü'", "'5'", "'a AND b'", "'a\nb'"),
    *("'x\") AND t.i = Utf8(\"y'", "'\n  Filter: t.i = Int64(5)'", "i", "n + 1", "(5)"),
]
NAMES = ["i", "n", "u", "t", "b", "d", "m", "T", "t.i", '"i"', "day", "_seq", "lower(t)"]
PLAIN = [("i", LITERALS[:3]), ("n", LITERALS[:3]), ("t", LITERALS[13:17]), ("b", LITERALS[11:13])]
OPERATORS = ["=", "<>", "!=", "<", "<=", ">", ">=", "IS DISTINCT FROM"]
PLAIN_MIN = 60  # of the conditions; fewer would test nothing
ROWS = 200


def a_condition(random: Random) -> str:
    """Mostly of what is worked out here."""

    def comparison() -> str:
        if random.random() < 0.2:
            return f"{random.choice(NAMES)} {random.choice(OPERATORS)} {random.choice(LITERALS)}"
        name, literals = random.choice(PLAIN)
        return f"{name} {random.choice(OPERATORS[:7])} {random.choice(literals)}"

    joined = random.choice([" AND ", " and ", " AND ", " OR "])
    text = joined.join(comparison() for _ in range(random.choice([1, 1, 2, 3])))
    return random.choice([text, text, text, f"({text})", f"NOT ({text})"])


def some_rows(random: Random, selection: Selection) -> pa.RecordBatch:
    schema = no_rows(selection.table).schema
    names = {column.physical_name: column.name for column in selection.table.columns}
    columns = [
        pa.array([random.choice(VALUES.get(names.get(field.name, ""), [None])) for _ in range(ROWS)], field.type)
        if field.name in names
        else pa.array(range(1, ROWS + 1), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def selected(client: LocalClient, sql: str) -> Selection:
    statement = parse_statement(SqlText(sql))
    assert isinstance(statement, Subscribe)
    table = client.home.engine.state.catalog.tables[TableName(client.namespace, "t")]
    return Selection(client.home.statements._execution.services.queries, table, statement, {}, "+00:00")


def outcome(selection: Selection, rows: pa.RecordBatch) -> object:
    try:
        return selection._matching(rows)
    except FrostlineError as error:
        return error.sqlstate, error.message


@pytest.mark.parametrize("seed", range(2))
def test_both_ways_let_the_same_rows_through(client: LocalClient, seed: int):
    client.do(f"CREATE TABLE t {COLUMNS}")
    random, plain = Random(seed), 0
    for _ in range(200):
        where = a_condition(random)
        with suppress(FrostlineError):  # some of them mean nothing
            selection = selected(client, f"SUBSCRIBE TO SELECT i, t FROM t WHERE {where}")
            rows = some_rows(random, selection)
            plain += selection._condition is not None
            found = outcome(selection, rows)
            selection._condition = None
            assert found == outcome(selection, rows), where
    assert plain > PLAIN_MIN


@pytest.mark.parametrize(
    ("where", "is_plain"),
    [
        ("i > 5", True),
        ("i > 5 AND t = 'it''s' AND b = TRUE AND n <= -5", True),
        ("t = 'a AND b'", True),
        ("u = 5", False),  # to be compared with a number that has a sign, it becomes a decimal
        ("d > 5", False),
        ("i > 5.0", False),
        ("i > 5 OR b = TRUE", False),
        ("t = 'say \"so\"'", False),
    ],
)
def test_only_what_is_plain_is_worked_out_here(client: LocalClient, where: str, is_plain: bool):
    client.do(f"CREATE TABLE t {COLUMNS}")
    assert (selected(client, f"SUBSCRIBE TO SELECT i FROM t WHERE {where}")._condition is not None) is is_plain


def test_a_parameter_is_left_to_the_engine(client: LocalClient):
    client.do(f"CREATE TABLE t {COLUMNS}")
    statement = parse_statement(SqlText("SUBSCRIBE TO SELECT i FROM t WHERE t = $1"))
    assert isinstance(statement, Subscribe)
    table = client.home.engine.state.catalog.tables[TableName(client.namespace, "t")]
    params = {"1": pa.scalar('x") AND t.t = Utf8("y')}
    queries = client.home.statements._execution.services.queries
    assert Selection(queries, table, statement, params, "+00:00")._condition is None
