"""A rewritten text has the tokens that it would have if it were lexed anew."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.read_text import read_statement, read_text
from flight_server.parser.text import sql_text
from flight_server.parser.text.lexer import Token, TokenKind, lex
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.sql_text import SqlText, split_statements
from storage.errors import FrostlineError
from tests.sql.tricky_texts import TRICKY

LIMITS = GuardLimits()
PARTS = ["?", "a", "?,", "1", "('x')", "-- ?\n", "/* ; */", ";", "$$;$$", '"?"', "?::int", "LIMIT?", "E'\\''", "=?"]
# What reading a text allocates, and not what other threads of this process do meanwhile.
OURS = [tracemalloc.Filter(True, name) for name in ("*/flight_server/parser/*", "*/sqlglot/*", "<string>")]


def check_tokens(text: SqlText) -> None:
    assert list(text.tokens) == lex(text.sql)


@given(st.one_of(TRICKY, st.lists(st.sampled_from(PARTS), max_size=12).map(" ".join)))
@settings(max_examples=300, deadline=None)
def test_statements_of_a_numbered_text_have_their_own_tokens(text: str) -> None:
    with suppress(FrostlineError):  # it can't be read
        for part in split_statements(number_parameters(SqlText(text)).text):
            check_tokens(part)
            check_tokens(part.without_comments())
            check_tokens(part.without_end())


def test_a_text_is_lexed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lexed: list[str] = []

    def told(sql: str) -> list[Token]:
        lexed.append(sql)
        return lex(sql)

    monkeypatch.setattr(sql_text, "lex", told)
    text = "INSERT INTO t VALUES (?, 'a') -- one\n; SELECT ? FROM t"
    parts = split_statements(number_parameters(SqlText(text)).text)
    kinds = [[token.kind for token in part.without_comments().tokens] for part in parts]
    assert [kind.count(TokenKind.PARAMETER) for kind in kinds] == [1, 1]
    assert lexed == [text]


def test_a_text_without_edits_stays_itself() -> None:
    text = SqlText("SELECT 1")
    assert text.edited([]) is text
    assert text.edited([(7, 8, "2")]) == SqlText("SELECT 2")


def test_what_is_kept_of_texts_that_were_read_is_their_own_size() -> None:
    """Tokens are a hundred times that: with them 512 texts took 290 MiB."""
    texts = [f"SELECT {number}, current_user, " + ", ".join(["?"] * 300) for number in range(30)]
    tracemalloc.start()
    try:
        for text in texts:
            read = read_text(text, LIMITS)
            for part in (*read.texts, *read_text(text, LIMITS).texts):
                read_statement(part, lambda: {"CURRENT_USER": "ann"})
        del read, part  # the last text's own
        gc.collect()
        kept = tracemalloc.take_snapshot().filter_traces(OURS)
    finally:
        tracemalloc.stop()
    assert sum(trace.size for trace in kept.traces) < 10 * sum(map(len, texts))
