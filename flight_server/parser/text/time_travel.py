"""Time travel: `t FOR SYSTEM_TIME AS OF ..` becomes a made name, which the scan reads as of its version.

Written behind a table's name, before its alias:
    FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-31 12:00:00'    (the word TIMESTAMP may be left out)
    FOR TIMESTAMP AS OF '2026-01-31T12:00:00+01:00'          (UTC where no zone is given)
    FOR VERSION AS OF 123, AS OF VERSION 123, AS OF TIMESTAMP '..'
A time means the end of its millisecond: `_seq` is milliseconds << 20 plus a counter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from flight_server.parser.text.lexer import Token, TokenKind, syntax_error
from flight_server.parser.text.made_names import version_name, version_of
from flight_server.parser.text.sql_text import Edit, SqlText
from storage.catalog.names import RESERVED_PREFIX, folded, quoted
from storage.errors import InvalidRequest
from storage.seq import SEQ_MAX, last_seq_at
from storage.whole_numbers import whole_number

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TIME: Final = "time"
_VERSION: Final = "version"
_FORMS: Final = (
    (("FOR", "SYSTEM_TIME", "AS", "OF"), _TIME),
    (("FOR", "TIMESTAMP", "AS", "OF"), _TIME),
    (("FOR", "VERSION", "AS", "OF"), _VERSION),
    (("FOR", "SYSTEM_VERSION", "AS", "OF"), _VERSION),
    (("AS", "OF", "VERSION"), _VERSION),
    (("AS", "OF", "TIMESTAMP"), _TIME),
)
# What may stand before a table's name, and what behind it is no alias.
_BEFORE_TABLE: Final = frozenset(
    ("FROM", "JOIN", "USING", "INTO", "UPDATE", "TABLE", "LATERAL", "DESCRIBE", "DESC", ",", "(")
)
_FOLLOWING: Final = (
    "ANTI ASOF CROSS EXCEPT FETCH FOR FULL GROUP HAVING INNER INTERSECT JOIN LEFT LIMIT NATURAL OFFSET ON ORDER "
    "QUALIFY RETURNING RIGHT SEMI SET TABLESAMPLE UNION USING VALUES WHEN WHERE WINDOW WITH"
)
_NO_ALIAS: Final = frozenset(_FOLLOWING.split())


class _Clause(NamedTuple):
    """name: index of the table's name; value: index of the literal; kind: what the literal is."""

    name: int
    value: int
    kind: str


def with_version_names(text: SqlText) -> SqlText:
    """`text` with every AS OF worked into the table name; itself when there is none. Raises InvalidRequest."""
    return text.edited(_version_edits(text.tokens))


def _version_edits(tokens: Sequence[Token]) -> Iterator[Edit]:
    value_at = 0
    for at, token in enumerate(tokens):
        # The AS of FOR .. AS OF begins no clause of its own.
        clause = _clause(tokens, at) if token.key in ("FOR", "AS") and at >= value_at else None
        if clause is not None:
            value_at = clause.value
            yield tokens[clause.name].start, tokens[value_at].end, _as_of(tokens, clause)


def with_time_travel(sql: str) -> str:
    """What `with_version_names` made of a text as a statement can say it."""
    if RESERVED_PREFIX not in sql:
        return sql
    text = SqlText(sql)
    return text.edited(_written_edits(text.tokens)).sql


def _written_edits(tokens: Sequence[Token]) -> Iterator[Edit]:
    for token in tokens:
        timed = version_of(token.value) if token.kind is TokenKind.QUOTED else None
        if timed is not None:
            yield token.start, token.end, f"{quoted(timed[0])} FOR VERSION AS OF {timed[1]}"


def _clause(tokens: Sequence[Token], at: int) -> _Clause | None:
    for words, kind in _FORMS:
        if tuple(token.key for token in tokens[at : at + len(words)]) != words:
            continue
        value = at + len(words)
        if kind == _TIME and value < len(tokens) and tokens[value].key == "TIMESTAMP":
            value += 1
        if words[0] == "AS" and not _is_literal(tokens, value):
            return None  # an alias named `of`
        _check_place(tokens, at - 1)
        if not _is_literal(tokens, value):
            offset = tokens[min(value, len(tokens) - 1)].start
            wanted = "a time as a string" if kind == _TIME else "a version as a whole number"
            raise syntax_error(offset, f"AS OF takes {wanted}; expressions and parameters are not possible here")
        return _Clause(at - 1, value, kind)
    return None


def _is_literal(tokens: Sequence[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].kind in (TokenKind.STRING, TokenKind.NUMBER)


def _check_place(tokens: Sequence[Token], name_at: int) -> None:
    """Before AS OF stands the table's own (perhaps dotted) name, not an alias of it."""
    first = name_at
    while first >= 2 and tokens[first - 1].key == ".":
        first -= 2
    is_name = name_at >= 0 and tokens[name_at].kind in (TokenKind.WORD, TokenKind.QUOTED)
    if not is_name or first == 0 or tokens[first - 1].key not in _BEFORE_TABLE:
        offset = tokens[max(name_at, 0)].start
        raise syntax_error(offset, "AS OF stands right behind a table's name, before its alias")


def _as_of(tokens: Sequence[Token], clause: _Clause) -> str:
    name, value = tokens[clause.name], tokens[clause.value]
    table = name.value if name.kind is TokenKind.QUOTED else folded(name.value)
    seq = _seq_of_time(value) if clause.kind == _TIME else _seq_of_version(value)
    mangled = quoted(version_name(table, seq))
    return mangled if _alias_follows(tokens, clause.value + 1) else f"{mangled} AS {quoted(table)}"


def _alias_follows(tokens: Sequence[Token], at: int) -> bool:
    if at >= len(tokens):
        return False
    token = tokens[at]
    return token.kind is TokenKind.QUOTED or (token.kind is TokenKind.WORD and token.key not in _NO_ALIAS)


def _seq_of_version(token: Token) -> int:
    seq = whole_number(token.value) if token.kind is TokenKind.NUMBER else None
    if seq is None or seq > SEQ_MAX:
        raise syntax_error(token.start, "a version is a whole number, as the column _seq shows it")
    return seq


def _seq_of_time(token: Token) -> int:
    """The largest `_seq` of the millisecond, kept within int64."""
    if token.kind is not TokenKind.STRING:
        raise syntax_error(token.start, "AS OF takes a time as a string, or VERSION and a number")
    try:
        moment = dt.datetime.fromisoformat(token.value.strip())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        millis = (moment - _EPOCH) // dt.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"'{token.value[:60]}' is not a time; write it like 2026-01-31 12:00:00 or 2026-01-31T12:00:00+01:00",
            sqlstate="22007",
        ) from None
    return last_seq_at(millis)
