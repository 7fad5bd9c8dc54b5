"""The guard refuses what would end the process, quickly, and lets real statements pass."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings

from flight_server.parser.guard.check import _pieces, check_text
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.guard.pieces import Piece
from flight_server.parser.text.lexer import TokenKind, lex
from storage.errors import FrostlineError, LimitExceeded
from tests.sql.guard_texts import CHAINS, HIDING, PASSING, Shape
from tests.sql.tricky_texts import TRICKY

LIMITS = GuardLimits()
ANY_LENGTH = replace(LIMITS, text_bytes_max=1 << 26)


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


@pytest.mark.parametrize("text", HIDING.values(), ids=HIDING.keys())
def test_nothing_is_hidden_from_the_guard_that_the_engine_would_read(text: str) -> None:
    """What the guard takes for the inside of a string or comment, the lexer refuses or takes for the same."""
    with pytest.raises(FrostlineError):
        _read_guarded(text)


def _read_guarded(text: str) -> None:
    check_text(text, LIMITS)
    lex(text)
