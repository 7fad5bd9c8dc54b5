"""Tokens know where they stand; what can't be read is refused by its position."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.parser.text.lexer import TokenKind, lex, mentions, without_comments
from storage.errors import FrostlineError, InvalidRequest
from tests.sql.tricky_texts import TRICKY


def _read(text: str) -> list[tuple[TokenKind, str]]:
    return [(token.kind, text[token.start : token.end]) for token in lex(text)]


WORD, QUOTED, STRING = TokenKind.WORD, TokenKind.QUOTED, TokenKind.STRING
NUMBER, PARAMETER, SYMBOL = TokenKind.NUMBER, TokenKind.PARAMETER, TokenKind.SYMBOL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a::int", [(WORD, "a"), (SYMBOL, "::"), (WORD, "int")]),
        ("a->'b'->>'c'", [(WORD, "a"), (SYMBOL, "->"), (STRING, "'b'"), (SYMBOL, "->>"), (STRING, "'c'")]),
        ("$$ it's $$ $t$ $$ $t$", [(STRING, "$$ it's $$"), (STRING, "$t$ $$ $t$")]),
        (r"E'it\'s' e'\\'", [(STRING, r"E'it\'s'"), (STRING, r"e'\\'")]),
        (r"'\' 'a''b'", [(STRING, r"'\'"), (STRING, "'a''b'")]),
        ('"a""b" "É"', [(QUOTED, '"a""b"'), (QUOTED, '"É"')]),
        ("1 /* a /* b */ c */ 2 -- d\n3", [(NUMBER, "1"), (NUMBER, "2"), (NUMBER, "3")]),
        ("$1+$2*$10", [(PARAMETER, "$1"), (SYMBOL, "+"), (PARAMETER, "$2"), (SYMBOL, "*"), (PARAMETER, "$10")]),
        ("?::int ??", [(PARAMETER, "?"), (SYMBOL, "::"), (WORD, "int"), (PARAMETER, "?"), (PARAMETER, "?")]),
        ("é 'ü' \U0001f600 ö", [(WORD, "é"), (STRING, "'ü'"), (WORD, "\U0001f600"), (WORD, "ö")]),
        ("X'ff' b'01' 0x1F", [(STRING, "X'ff'"), (STRING, "b'01'"), (NUMBER, "0x1F")]),
        (
            "MAP<a,b>>=",
            [(WORD, "MAP"), (SYMBOL, "<"), (WORD, "a"), (SYMBOL, ","), (WORD, "b"), (SYMBOL, ">"), (SYMBOL, ">=")],
        ),
        ("SHOW TABLES", [(WORD, "SHOW"), (WORD, "TABLES")]),
        ("PRIMARY KEY", [(WORD, "PRIMARY"), (WORD, "KEY")]),
        ("a$1", [(WORD, "a$1")]),
        ("DATE'x'='y'", [(WORD, "DATE"), (STRING, "'x'"), (SYMBOL, "="), (STRING, "'y'")]),
        ('"0x1f" 0x1f', [(QUOTED, '"0x1f"'), (NUMBER, "0x1f")]),
        ('AS"x"', [(WORD, "AS"), (QUOTED, '"x"')]),
        ("1.5e-3", [(NUMBER, "1.5e-3")]),
    ],
)
def test_tokens_are_slices_of_the_text(text: str, expected: list[tuple[TokenKind, str]]) -> None:
    assert _read(text) == expected


def test_values_are_what_quotes_mean() -> None:
    assert [token.value for token in lex("""'it''s' "a""b" $$x$$""")] == ["it's", 'a"b', "x"]


def test_keys_are_upper_case_and_quoted_names_have_none() -> None:
    assert [token.key for token in lex("select \"select\" 'select' (")] == ["SELECT", "", "", "("]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("SELECT 'abc", 8),
        ('SELECT "abc', 8),
        ("SELECT $$ abc", 8),
        ("SELECT $t$ abc $t", 8),
        ("a\x00b", 2),
        ("a`b`", 2),
        ("SELECT r'x'", 9),
        ('SELECT R"x"', 9),
        ("SELECT q'[x]'", 9),
        ("SELECT #E'\\' + 1 '", 9),
        ("SELECT a#$$ + 1 $$", 10),
        ("SELECT 1E'x'", 10),
        ("SELECT $1$$ x $$", 10),
        ("SELECT $1$ x $1$", 17),
        ("SELECT 1 /*/*/ + 2 /* */", 9),
        ("SELECT 1 {# + 2 #}", 9),
        ("SELECT $E'x'", 8),
        ("SELECT x'zz'", 8),
        ("a \ud800", 3),
        ("SELECT /* a /* b */", 20),
    ],
)
def test_what_can_not_be_read_is_refused_by_its_position(text: str, position: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"^syntax error at position {position}: ") as caught:
        lex(text)
    assert caught.value.sqlstate == "42601"


@given(TRICKY)
@settings(max_examples=400, deadline=None)
def test_any_text_gives_ordered_tokens_or_a_refusal(text: str) -> None:
    try:
        tokens = lex(text)
    except FrostlineError:
        return
    end = 0
    for token in tokens:
        assert end <= token.start < token.end <= len(text)
        end = token.end
    cleaned = without_comments(text, tokens)
    assert len(cleaned) == len(text)
    assert _read(cleaned) == _read(text)


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_quoted_text_is_one_string_whatever_it_holds(content: str) -> None:
    quoted = "'" + content.replace("'", "''") + "'"
    if "\x00" in content or _has_surrogate(content):
        return
    (token,) = lex(quoted)
    assert (token.kind, token.value, token.start, token.end) == (TokenKind.STRING, content, 0, len(quoted))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def test_comments_become_blanks_of_the_same_length() -> None:
    text = "a /* x */ = '--' -- y\n+ 1 -- z"
    assert without_comments(text, lex(text)) == "a         = '--'      + 1     "


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT _seq FROM t", True),
        ('SELECT "_seq" FROM t', True),
        ("SELECT t._SEQ FROM t", True),
        ("SELECT '_seq' FROM t -- _seq", False),
        ("SELECT my_seq, _sequel FROM t", False),
        ("SELECT 1 /* _deleted */", False),
        ("SELECT 1", False),
    ],
)
def test_mentions_finds_names_outside_strings_and_comments(text: str, expected: bool) -> None:
    assert mentions(text, ("_seq", "_deleted")) is expected
