"""SUBSCRIBE TO SELECT ..: one table, row by row; whatever needs more than one row at a time is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flight_server.parser.statements.live import OptionValue, Subscribe
from flight_server.parser.text.cursor import Cursor, not_supported
from flight_server.parser.text.lexer import Token, TokenKind
from storage.catalog.names import folded
from storage.errors import InvalidRequest, NotSupported

OPTIONS: Final = ("batch_size", "from_seq", "last_rows", "snapshot")
_ROW_BY_ROW: Final = "a live query looks at one row at a time"
_AFTER_TABLE: Final = {
    "JOIN": "a join", "INNER": "a join", "LEFT": "a join", "RIGHT": "a join", "FULL": "a join", "CROSS": "a join",
    "NATURAL": "a join", ",": "a join", "(": "a table function", "TABLESAMPLE": "a sample", "LATERAL": "a join",
}  # fmt: skip
_CLAUSES: Final = {
    "GROUP": "GROUP BY", "HAVING": "HAVING", "ORDER": "ORDER BY", "LIMIT": "LIMIT", "OFFSET": "OFFSET",
    "FETCH": "FETCH", "UNION": "UNION", "INTERSECT": "INTERSECT", "EXCEPT": "EXCEPT", "WINDOW": "WINDOW",
    "QUALIFY": "QUALIFY", "DISTINCT": "DISTINCT",
}  # fmt: skip


def parse_subscribe(cursor: Cursor) -> Subscribe:
    """`SUBSCRIBE TO SELECT items FROM t [[AS] alias] [WHERE condition] [WITH (option = value, ..)]`"""
    cursor.expect("SUBSCRIBE", "TO")
    if cursor.sees("WITH"):
        raise _refused("WITH before its SELECT")
    cursor.expect("SELECT")
    if cursor.sees("DISTINCT"):
        raise _refused("DISTINCT")
    cursor.accept("ALL")
    first = cursor.at
    items = cursor.slice("the columns", lambda: cursor.sees("FROM") and cursor.tokens[cursor.at - 1].key != "DISTINCT")
    cursor.expect("FROM")
    read = cursor.tokens[first : cursor.at - 1]
    if cursor.sees_any(("(", "SELECT", "VALUES")):
        raise _refused("a subquery")
    table = cursor.aliased_table()
    if cursor.sees_any(tuple(_AFTER_TABLE)):
        raise _refused(_AFTER_TABLE[cursor.token.key])
    where, tokens = _condition(cursor)
    if any(token.key == "SELECT" for token in (*read, *tokens)):
        raise _refused("a subquery")
    if cursor.sees_any(tuple(_CLAUSES)):
        raise _refused(_CLAUSES[cursor.token.key])
    words = frozenset(_named(token) for token in (*read, *tokens) if token.kind in (TokenKind.WORD, TokenKind.QUOTED))
    return Subscribe(table, items, where, words, _has_star(read), _options(cursor))


def _condition(cursor: Cursor) -> tuple[str | None, Sequence[Token]]:
    if not cursor.accept("WHERE"):
        return None, ()
    first = cursor.at
    text = cursor.slice("a condition", lambda: _ends_condition(cursor))
    return text, cursor.tokens[first : cursor.at]


def _ends_condition(cursor: Cursor) -> bool:
    before = cursor.tokens[cursor.at - 1].key
    if cursor.sees("WITH", "("):
        return True
    return cursor.token.key in _CLAUSES and before not in (".", "IS", "NOT") and not cursor.sees("DISTINCT", "FROM")


def _has_star(items: Sequence[Token]) -> bool:
    """A `*` that stands alone or behind a dot, and multiplies nothing."""
    return any(token.key == "*" and (at == 0 or items[at - 1].key in (",", ".")) for at, token in enumerate(items))


def _named(token: Token) -> str:
    return token.value if token.kind is TokenKind.QUOTED else folded(token.value)


def _options(cursor: Cursor) -> dict[str, OptionValue]:
    if not cursor.accept("WITH"):
        return {}
    found: dict[str, OptionValue] = {}
    for name, value in cursor.bracketed(lambda: _option(cursor)):
        if name in found:
            raise InvalidRequest(f"option '{name}' is given twice")
        found[name] = value
    if "from_seq" in found and ("last_rows" in found or found.get("snapshot") is True):
        raise InvalidRequest("from_seq goes on from where a reader was: it can't be given with last_rows or snapshot")
    if "last_rows" in found and "snapshot" in found:
        raise InvalidRequest("last_rows says which rows come first: it can't be given with snapshot")
    return found


def _option(cursor: Cursor) -> tuple[str, OptionValue]:
    name = cursor.name("option")
    if name not in OPTIONS:
        raise InvalidRequest(f"a live query has no option '{name}'; it has {', '.join(OPTIONS)}")
    cursor.expect("=")
    if cursor.token.kind is TokenKind.PARAMETER:
        cursor.at += 1
        return name, cursor.tokens[cursor.at - 1].value.removeprefix("$")
    if name == "snapshot":
        return name, cursor.expect_any("TRUE", "FALSE") == "TRUE"
    return name, cursor.whole_number(f"option {name}")


def _refused(what: str) -> NotSupported:
    return not_supported(f"{what} in SUBSCRIBE", f"{_ROW_BY_ROW}: select from one table with a WHERE")
