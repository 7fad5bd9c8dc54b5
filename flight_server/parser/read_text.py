"""`read_text` makes statements of a client's text: guarded, numbered, cut, parsed; once for texts that come again.

A text says the same whenever it is read, so what reading it gave is kept for the most recent ones. A prepared
INSERT of one row spent half its time being read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from flight_server.parser.dialect.cast_types import with_own_types
from flight_server.parser.dialect.other_calls import with_own_calls
from flight_server.parser.grammar.statement import parse
from flight_server.parser.guard.check import check_text
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.statements.statement import Statement
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.split_statements import split_statements

KEPT_MAX: Final = 512
KEPT_CHARACTERS_MAX: Final = 4096  # longer texts are rarely sent twice, and would cost memory


@dataclass(frozen=True, slots=True)
class ReadText:
    """The statements of a text, its placeholders numbered `$1` .. `$parameters`."""

    texts: tuple[str, ...]
    parameters: int


def read_text(sql: str, limits: GuardLimits) -> ReadText:
    """Raises LimitExceeded (the guard's), InvalidRequest (unreadable, no statement)."""
    return _read_kept(sql, limits) if _is_kept(sql) else _read(sql, limits)


def read_statement(text: str) -> Statement:
    """One of `ReadText.texts`. Raises InvalidRequest, NotSupported."""
    return _parsed_kept(text) if _is_kept(text) else parse(text)


def _read(sql: str, limits: GuardLimits) -> ReadText:
    check_text(sql, limits)
    numbered = number_parameters(sql)
    written = with_own_types(with_own_calls(numbered.sql))
    if written != numbered.sql:
        check_text(written, limits)  # it is what the engine will see
    return ReadText(split_statements(written), numbered.count)


def _is_kept(sql: str) -> bool:
    return len(sql) <= KEPT_CHARACTERS_MAX and "password" not in sql.lower()  # no password outlives its statement


_read_kept = lru_cache(maxsize=KEPT_MAX)(_read)
_parsed_kept = lru_cache(maxsize=KEPT_MAX)(parse)
