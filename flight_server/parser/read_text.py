"""`read_text` makes statements of a client's text: guarded, numbered, cut, parsed; once for texts that come again.

A text says the same whenever it is read, so what reading it gave is kept for the most recent ones. A prepared
INSERT of one row spent half its time being read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flight_server.parser.dialect.cast_types import with_own_types
from flight_server.parser.dialect.other_calls import with_own_calls
from flight_server.parser.dialect.session_words import Words, written_out
from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.guard.check import check_text
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.recently_used import RecentlyUsed
from flight_server.parser.statements.statement import Statement
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.sql_text import SqlText, split_statements

KEPT_MAX: Final = 512
KEPT_CHARACTERS_MAX: Final = 4096  # longer texts are rarely sent twice, and would cost memory
_READ_AS_QUERY: Final = "SELECT WITH VALUES TABLE EXPLAIN DESCRIBE DESC INSERT UPDATE DELETE MERGE SUBSCRIBE ("
_WORDS_READ_IN: Final = frozenset(_READ_AS_QUERY.split())


@dataclass(frozen=True, slots=True)
class ReadText:
    """The texts of a text's statements, their placeholders numbered `$1` .. `$parameters`."""

    texts: tuple[SqlText, ...]
    parameters: int


def read_text(sql: str, limits: GuardLimits) -> ReadText:
    """Raises LimitExceeded (the guard's), InvalidRequest (unreadable, no statement)."""
    found = _texts.get((sql, limits))
    if found is not None:
        texts, parameters = found
        return ReadText(tuple(map(SqlText, texts)), parameters)
    read = _read(sql, limits)
    if _is_kept(sql):
        _texts.put((sql, limits), (tuple(text.sql for text in read.texts), read.parameters))
    return read


def read_statement(text: SqlText, words: Callable[[], Words]) -> tuple[Statement, str]:
    """One of `ReadText.texts`, and how it was read: with the session's `words` written out.

    Not all statements of a text at once: USE and SET change the words for those behind them, and a statement that
    can't be read undoes nothing of those before it. In definitions the words stay; there they stand for whoever runs
    the statement that plans them. Raises InvalidRequest, NotSupported.
    """
    written = written_out(text, words)
    if written is not text and written.tokens[0].key in _WORDS_READ_IN:
        text = written
    statement = _statements.get(text.sql)
    if statement is None:
        statement = parse_statement(text)
        if _is_kept(text.sql):
            _statements.put(text.sql, statement)
    return statement, text.sql


def _read(sql: str, limits: GuardLimits) -> ReadText:
    check_text(sql, limits)
    numbered = number_parameters(SqlText(sql))
    written = with_own_types(with_own_calls(numbered.text))
    if written is not numbered.text:
        check_text(written.sql, limits)  # it is what the engine will see
    return ReadText(split_statements(written), numbered.count)


def _is_kept(sql: str) -> bool:
    return len(sql) <= KEPT_CHARACTERS_MAX and "password" not in sql.lower()  # no password outlives its statement


# Neither holds tokens, which take a hundred times the memory of their text.
_texts: Final = RecentlyUsed[tuple[str, GuardLimits], tuple[tuple[str, ...], int]](KEPT_MAX)
_statements: Final = RecentlyUsed[str, Statement](KEPT_MAX)
