"""`?` becomes `$n`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.parser.text.lexer import TokenKind, lex
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.sql_text import SqlText
from storage.errors import FrostlineError, InvalidRequest
from tests.sql.tricky_texts import TRICKY


@pytest.mark.parametrize(
    ("text", "sql", "count"),
    [
        ("SELECT 1", "SELECT 1", 0),
        ("SELECT ?", "SELECT $1", 1),
        ("SELECT ?::int, '?', \"?\", $$?$$ -- ?\n, ?", "SELECT $1::int, '?', \"?\", $$?$$ -- ?\n, $2", 2),
        ("VALUES (?,?), (?,?)", "VALUES ($1,$2), ($3,$4)", 4),
        ("SELECT $2, $1, $2", "SELECT $2, $1, $2", 2),
        ("SELECT a FROM t WHERE b=? AND c=?", "SELECT a FROM t WHERE b=$1 AND c=$2", 2),
        ("SELECT ?1", "SELECT $1 1", 1),
        ("SELECT a FROM t LIMIT?", "SELECT a FROM t LIMIT $1", 1),
        ("SELECT ??", "SELECT $1  $2", 2),
    ],
)
def test_parameters_are_numbered_in_order(text: str, sql: str, count: int) -> None:
    numbered = number_parameters(SqlText(text))
    assert (numbered.text.sql, numbered.count) == (sql, count)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT ?, $1", "can't be mixed"),
        ("SELECT $1, $3", r"\$2 is missing"),
        ("SELECT $2", r"\$1 is missing"),
        ("SELECT $0", "from \\$1 up"),
        ("SELECT $01", "from \\$1 up"),
        ("SELECT $name", "from \\$1 up"),
        ("SELECT $99999999999999999999", "from \\$1 up"),
        ("SELECT $100000", "too many"),
    ],
)
def test_mixed_gapped_and_named_parameters_are_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        number_parameters(SqlText(text))


@given(TRICKY)
@settings(max_examples=200, deadline=None)
def test_any_text_is_numbered_or_refused(text: str) -> None:
    try:
        numbered = number_parameters(SqlText(text))
    except FrostlineError:
        return
    if numbered.text.sql != text:
        found = [t.value for t in lex(numbered.text.sql) if t.kind is TokenKind.PARAMETER]
        assert found == [f"${number}" for number in range(1, numbered.count + 1)]


@given(st.lists(st.sampled_from(["?", "'?'", '"?"', "$$?$$", "a", "(", "/*?*/", "--?\n"]), max_size=20))
@settings(max_examples=100, deadline=None)
def test_only_parameters_outside_strings_and_comments_count(parts: list[str]) -> None:
    assert number_parameters(SqlText(" ".join(parts))).count == parts.count("?")
