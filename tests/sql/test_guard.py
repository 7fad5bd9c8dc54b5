"""The guard refuses what would end the process, quickly, and lets real statements pass."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings

from flight_server.parser.guard.check import _pieces, check_text
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.guard.pieces import Piece
from flight_server.parser.text.lexer import TokenKind, lex
from storage.errors import FrostlineError, LimitExceeded
from tests.sql.test_lexer import TRICKY

LIMITS = GuardLimits()
ANY_LENGTH = replace(LIMITS, text_bytes_max=1 << 26)

Shape = Callable[[int], str]


def _repeated(before: str, unit: str, after: str = "") -> Shape:
    return lambda n: before + unit * n + after


def _nested(opening: str, inner: str, closing: str) -> Shape:
    return lambda n: f"SELECT {opening * n}{inner}{closing * n} FROM t"


def _common_tables(body: str) -> Shape:
    return lambda n: (
        "WITH c0 AS (SELECT 1 x)"
        + "".join(f", c{i} AS (SELECT {body.format(i - 1)})" for i in range(1, n))
        + f" SELECT * FROM c{n - 1}"
    )


CHAINS: dict[str, Shape] = {
    "or": _repeated("SELECT * FROM t WHERE a = 0", " OR a = 1"),
    "and": _repeated("SELECT * FROM t WHERE a = 0", " AND a <> 1"),
    "plus": _repeated("SELECT 1", "+1"),
    "minus": _repeated("SELECT a", " - a", " FROM t"),
    "times": _repeated("SELECT a", "*a", " FROM t"),
    "concat": _repeated("SELECT b", "||b", " FROM t"),
    "cast": _repeated("SELECT a", "::int", " FROM t"),
    "is null": _repeated("SELECT a", " IS NULL", " FROM t"),
    "like": _repeated("SELECT b", " LIKE 'x'", " FROM t"),
    "between": _repeated("SELECT a", " BETWEEN 1 AND 2", " FROM t"),
    "in": _repeated("SELECT a", " IN (1)", " FROM t"),
    "equal": _repeated("SELECT a", "=a", " FROM t"),
    "power": _repeated("SELECT a", "^a", " FROM t"),
    "xor": _repeated("SELECT true", " XOR true"),
    "unknown operator": _repeated("SELECT a", " OPERATOR(x.+) group", " FROM t"),
    "key words as names": _repeated("SELECT 1", "+group+t.select+offset", " FROM t"),
    "distinct from": _repeated("SELECT a", " IS DISTINCT FROM group", " FROM t"),
    "case between": _repeated("SELECT 1", "+CASE WHEN a THEN 1 END", " FROM t"),
    "within group": _repeated("SELECT 1", "+f(1) WITHIN GROUP (ORDER BY a)", " FROM t"),
    "brackets between": _repeated("SELECT 1", "+(1+1)"),
    "time zone": _repeated("SELECT a", " AT TIME ZONE 'UTC'", " FROM t"),
    "subscript": _repeated("SELECT c", "[1]", " FROM t"),
    "array type": _repeated("SELECT a::int", "[]", " FROM t"),
    "not": _repeated("SELECT ", "NOT ", "true"),
    "sign": _repeated("SELECT ", "- ", "1"),
    "interval": _repeated("SELECT ", "INTERVAL ", "'1 day'"),
    "union all": _repeated("SELECT 1", " UNION ALL SELECT 1"),
    "intersect": _repeated("SELECT 1", " INTERSECT SELECT 1"),
    "pipe": _repeated("SELECT 1 a", " |> WHERE a = 1"),
    "common tables": _common_tables("x FROM c{0}"),
    "doubling common tables": _common_tables("l.x FROM c{0} l, c{0} r"),
    "joins": _repeated("SELECT 1 FROM t", " JOIN t ON true"),
    "tables": _repeated("SELECT 1 FROM t", ", t"),
    "windows": _repeated("SELECT 1", ", sum(a) OVER (ORDER BY a)", " FROM t"),
    "columns": _repeated("SELECT 1", ", a", " FROM t"),
    "sort": _repeated("SELECT 1 FROM t ORDER BY a", ", a"),
    "cube": _repeated("SELECT 1 FROM t GROUP BY CUBE (a", ", a", ")"),
    "case arms": _repeated("SELECT CASE a", " WHEN 1 THEN 1", " END FROM t"),
    "open": _repeated("SELECT ", "("),
    "brackets": _nested("(", "1", ")"),
    "functions": _nested("f(", "1", ")"),
    "nested case": _nested("CASE WHEN true THEN ", "1", " END"),
    "arrays": _nested("ARRAY[", "1", "]"),
    "casts": _nested("CAST(1 + ", "1", " AS INT)"),
    "bracket casts": _nested("(1 + ", "1", ")::INT"),
    "coalesce": _nested("coalesce(", "a", ", a)"),
    "negations": _nested("NOT (", "true", ")"),
    "queries": _nested("(SELECT ", "1", ")"),
    "types": _repeated("SELECT a::", "ARRAY<", "INT"),
}


@pytest.mark.parametrize("shape", CHAINS.values(), ids=CHAINS.keys())
@pytest.mark.parametrize("count", [20_000, 200_000])
def test_a_long_chain_is_refused_at_once(shape: Shape, count: int) -> None:
    text = shape(count)
    began = time.process_time()
    with pytest.raises(LimitExceeded, match="a statement may have at most") as caught:
        check_text(text, ANY_LENGTH)
    assert time.process_time() - began < 0.25  # under 0.05 s on an idle machine
    assert caught.value.sqlstate == "54001"
    assert len(str(caught.value)) < 200


def test_a_long_text_is_refused_by_its_bytes() -> None:
    check_text("SELECT '" + "é" * 500_000 + "'", LIMITS)
    with pytest.raises(LimitExceeded, match="1048576 bytes of text"):
        check_text("SELECT '" + "é" * 600_000 + "'", LIMITS)
    with pytest.raises(LimitExceeded, match="bytes of text"):
        check_text("x" * 50_000_000, LIMITS)


PASSING: dict[str, str] = {
    "ten thousand rows": "INSERT INTO t VALUES " + ",".join(f"({i}, -{i}, 'it''s - {i}', NULL)" for i in range(10_000)),
    "ten thousand computed rows": "INSERT INTO t VALUES " + ",".join(f"({i} + 1, upper('x'))" for i in range(10_000)),
    "dated rows": "VALUES " + ",".join(f"({i}, DATE '2026-01-01', X'00', -1.5e-3)" for i in range(10_000)),
    "rows of parameters": "INSERT INTO t VALUES " + ",".join("(?, ?, ?)" for _ in range(10_000)),
    "numbers in a list": "SELECT * FROM t WHERE a IN (" + ",".join(map(str, range(100_000))) + ")",
    "strings in a list": "SELECT * FROM t WHERE a IN (" + ",".join(f"'{i}'" for i in range(100_000)) + ")",
    "an array": "SELECT ARRAY[" + ",".join(map(str, range(10_000))) + "]",
    "operators in a string": "SELECT '" + "+1 OR " * 10_000 + "'",
    "operators in a doubled string": "SELECT '" + "''+" * 10_000 + "'",
    "operators in an E string": "SELECT E'" + "\\'+" * 10_000 + "'",
    "operators in dollars": "SELECT $x$" + "+1 OR '" * 10_000 + "$x$",
    "operators in a name": 'SELECT "' + "+1 OR " * 10_000 + '"',
    "operators in a comment": "SELECT 1 /*" + "+1 OR /* */ " * 10_000 + "*/ -- " + "+1" * 10_000,
    "a wide table": "SELECT " + ",".join(f"a{i} + 1 AS b{i}" for i in range(1_500)) + " FROM t",
    "a wide definition": "CREATE TABLE t (" + ",".join(f"a{i} DECIMAL(10, 2) NOT NULL" for i in range(3_000)) + ")",
    "many conditions": "SELECT * FROM t WHERE " + " OR ".join(f"(a = {i} AND b = 'x')" for i in range(400)),
    "many assignments": "UPDATE t SET " + ", ".join(f"a{i} = b{i} + 1" for i in range(2_000)),
    "many statements": ";".join(["SELECT 1 UNION SELECT 2 WHERE a OR b"] * 3_000),
    "a report": """
        WITH sales AS (SELECT d, sum(x * (1 - y)) AS s FROM f JOIN g USING (k)
                       WHERE d BETWEEN DATE '2026-01-01' AND now() GROUP BY d),
             ranked AS (SELECT *, row_number() OVER (PARTITION BY date_trunc('month', d) ORDER BY s DESC) AS r
                        FROM sales)
        SELECT a.d, CASE WHEN a.s > b.s THEN 'up' WHEN a.s < b.s THEN 'down' ELSE 'same' END
        FROM ranked a LEFT JOIN ranked b ON a.r = b.r + 1 AND a.d <> b.d
        WHERE a.r <= 10 AND NOT EXISTS (SELECT 1 FROM ranked c WHERE c.d = a.d AND coalesce(c.s, 0)::int < -1)
        GROUP BY ROLLUP (1, 2) HAVING count(*) > 1 ORDER BY 1, 2 DESC LIMIT 10 OFFSET 5
    """,
}


@pytest.mark.parametrize("text", PASSING.values(), ids=PASSING.keys())
def test_long_statements_that_do_no_harm_pass(text: str) -> None:
    check_text(text, LIMITS)


def test_counts_begin_anew_with_each_statement() -> None:
    half = "SELECT 1" + " UNION SELECT 1" * 150
    check_text(f"{half}; {half}", LIMITS)
    with pytest.raises(LimitExceeded, match="set operations"):
        check_text(f"SELECT 1; {half + half[8:]}", LIMITS)


@given(TRICKY)
@settings(max_examples=500, deadline=None)
def test_strings_end_where_the_lexer_has_them_end(text: str) -> None:
    try:
        tokens = lex(text)
    except FrostlineError:
        return
    quoted = [token.value.lower() for token in tokens if token.kind is TokenKind.QUOTED]
    assert [part[1:-1].replace('""', '"').lower() for piece, part in _pieces(text) if piece is Piece.QUOTED] == quoted


ALIVE = """
import os, sys, threading, time
import datafusion
sql = sys.stdin.read()
def plan():
    context = datafusion.SessionContext()
    context.sql("CREATE TABLE t AS SELECT 1::int AS a, 'x' AS b, [1] AS c")
    options = datafusion.SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
    try:
        context.sql_with_options(sql, options).execution_plan()
    except Exception:
        pass
thread = threading.Thread(target=plan, daemon=True)
thread.start()
thread.join(20)
os._exit(3 if thread.is_alive() else 0)
"""


@pytest.mark.parametrize("name", ["or", "plus", "union all", "interval", "casts", "coalesce", "queries", "joins"])
def test_the_engine_survives_the_longest_chain_that_passes(name: str) -> None:
    shape = CHAINS[name]
    longest = max(count for count in (*range(1, 60), 99, 199, 499) if _passes(shape(count)))
    done = subprocess.run([sys.executable, "-c", ALIVE], input=shape(longest), text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{name} x {longest}"


def _passes(text: str) -> bool:
    try:
        check_text(text, LIMITS)
    except LimitExceeded:
        return False
    return True


_SUMS = "+1" * 12_000
HIDING: dict[str, str] = {
    "a name with dollars": f"SELECT #$$ {_SUMS}, $$",
    "a name with dollars in it": f"SELECT a#$$ {_SUMS}, $$",
    "a name before E": f"SELECT #E'\\' , 1{_SUMS}, ''",
    "a number before E": f"SELECT 1E'\\'' {_SUMS}, ''",
    "a raw string": f"SELECT R'''x'y''' {_SUMS}, ' '",
    "Oracle quotes": f"SELECT Q'[']' , 1{_SUMS}, ''",
    "a numbered tag": f"SELECT $1$ $a$ $1$ {_SUMS}, $a$ $2$ $a$ $2$",
    "comments in comments": f"SELECT 1 /*/*/ {_SUMS} /* */",
    "braces": f"SELECT 1 {{# {_SUMS} #}}",
    "back-quotes": f"SELECT `'` {_SUMS}, '`'",
    "a letter that Python has none of": f"SELECT \u24b6$$ {_SUMS}, $$",
}


@pytest.mark.parametrize("text", HIDING.values(), ids=HIDING.keys())
def test_nothing_is_hidden_from_the_guard_that_the_engine_would_read(text: str) -> None:
    """What the guard takes for the inside of a string or comment, the lexer refuses or takes for the same."""
    with pytest.raises(FrostlineError):
        _read_guarded(text)


def _read_guarded(text: str) -> None:
    check_text(text, LIMITS)
    lex(text)
