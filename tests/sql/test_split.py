"""Several statements in one text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.parser.text.sql_text import SqlText, split_statements
from storage.errors import FrostlineError, InvalidRequest
from tests.sql.tricky_texts import TRICKY


def parts_of(text: str) -> tuple[str, ...]:
    return tuple(part.sql for part in split_statements(SqlText(text)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", ("SELECT 1",)),
        ("SELECT 1;", ("SELECT 1",)),
        (";; SELECT 1 ;; SELECT 2; ;", ("SELECT 1", "SELECT 2")),
        ("SELECT ';' ; SELECT \";\" ; SELECT $$;$$", ("SELECT ';'", 'SELECT ";"', "SELECT $$;$$")),
        ("-- a;b\nSELECT 1 /* ; */ ; -- end", ("SELECT 1",)),
        ("SELECT 1 /* a; */ + 2; SELECT 3", ("SELECT 1 /* a; */ + 2", "SELECT 3")),
    ],
)
def test_a_text_is_cut_at_semicolons(text: str, expected: tuple[str, ...]) -> None:
    assert tuple(part.strip() for part in parts_of(text)) == expected


@pytest.mark.parametrize("text", ["", "  \n", ";", "; ;", "-- nothing", "/* nothing */ ;"])
def test_a_text_without_statement_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no SQL statement"):
        parts_of(text)


@given(TRICKY)
@settings(max_examples=200, deadline=None)
def test_any_text_is_cut_or_refused(text: str) -> None:
    try:
        parts = parts_of(text)
    except FrostlineError:
        return
    assert parts
    at = 0
    for part in parts:
        at = text.index(part, at) + len(part)


@given(
    st.lists(st.sampled_from(["SELECT ';'", 'SELECT "a;b"', "SELECT $$;$$", "SELECT E'\\';'"]), min_size=1, max_size=6)
)
@settings(max_examples=50, deadline=None)
def test_joined_statements_are_cut_where_they_were_joined(statements: list[str]) -> None:
    assert parts_of(" ; ".join([*statements, ""])) == tuple(statements)
