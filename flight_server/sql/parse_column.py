"""Columns as CREATE TABLE and ADD COLUMN declare them, and options as WITH (..) gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from flight_server.sql.cursor import Cursor, not_supported
from flight_server.sql.lexer import TokenKind
from flight_server.sql.statements import ColumnSpec
from flight_server.sql.types import read_type
from storage.errors import InvalidRequest
from storage.names import checked_column

_REFUSED: Final = {
    "UNIQUE": ("UNIQUE", "only a PRIMARY KEY is kept unique"),
    "CHECK": ("CHECK", "check values before they are written"),
    "REFERENCES": ("REFERENCES", "there are no foreign keys"),
    "FOREIGN": ("FOREIGN KEY", "there are no foreign keys"),
    "EXCLUDE": ("EXCLUDE", "only a PRIMARY KEY is kept unique"),
    "CONSTRAINT": ("a named CONSTRAINT", "write it without CONSTRAINT and name"),
    "GENERATED": ("GENERATED", "use DEFAULT, for instance DEFAULT snowflake_id()"),
    "IDENTITY": ("IDENTITY", "use DEFAULT snowflake_id()"),
    "AUTO_INCREMENT": ("AUTO_INCREMENT", "use DEFAULT snowflake_id()"),
    "AUTOINCREMENT": ("AUTOINCREMENT", "use DEFAULT snowflake_id()"),
    "COLLATE": ("COLLATE", "text is ordered by its code points"),
    "COMMENT": ("COMMENT in a column", "use COMMENT ON COLUMN"),
    "COMPRESSION": ("COMPRESSION of a column", "use the table's option compression"),
}
_DEFAULT_ENDS: Final = frozenset(_REFUSED) | {"PRIMARY", "DEFAULT"}


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column, and whether it said PRIMARY KEY itself."""

    spec: ColumnSpec
    is_key: bool


def read_column(cursor: Cursor) -> DeclaredColumn:
    """`name type [NOT NULL | NULL | DEFAULT expression | PRIMARY KEY] ..`"""
    name = checked_column(cursor.name("column"))
    data_type, sql_type = read_type(cursor)
    nullable: bool | None = None
    default_sql: str | None = None
    is_key = False
    while (word := _next_constraint(cursor)) is not None:
        if word == "DEFAULT":
            _once(default_sql is None, name, word)
            default_sql = _default(cursor)
        elif word == "PRIMARY":
            cursor.expect("KEY")
            is_key = True
        else:
            _once(nullable is None, name, "NULL or NOT NULL")
            if word == "NOT":
                cursor.expect("NULL")
            nullable = word == "NULL"
    if is_key and nullable:
        raise InvalidRequest(f"column '{name}' is of the primary key and can't be NULL", sqlstate="42601")
    return DeclaredColumn(
        ColumnSpec(name, data_type, sql_type, not is_key and nullable is not False, default_sql), is_key
    )


def _next_constraint(cursor: Cursor) -> str | None:
    refuse_constraints(cursor)
    return cursor.accept_any("NOT", "NULL", "DEFAULT", "PRIMARY")


def refuse_constraints(cursor: Cursor) -> None:
    """Raises NotSupported if a constraint that is not kept comes next: it must not be read and forgotten."""
    refused = _REFUSED.get(cursor.token.key)
    if refused is not None:
        raise not_supported(*refused)


def _once(is_first: bool, column: str, what: str) -> None:
    if not is_first:
        raise InvalidRequest(f"column '{column}' is given {what} twice", sqlstate="42601")


def _default(cursor: Cursor) -> str:
    first = cursor.at
    return cursor.slice("a default value", lambda: _ends_default(cursor, first))


def _ends_default(cursor: Cursor, first: int) -> bool:
    key = cursor.token.key
    if key == "," or (key in _DEFAULT_ENDS and cursor.at > first):
        return True
    if cursor.at == first:
        return False
    before = cursor.tokens[cursor.at - 1].key
    if key == "NOT":
        return cursor.sees("NOT", "NULL") and before != "IS"
    return key == "NULL" and before not in ("IS", "NOT")


def read_default(cursor: Cursor) -> str:
    """The expression of SET DEFAULT."""
    return cursor.expression("a default value")


def read_options(cursor: Cursor) -> Mapping[str, str]:
    """`(name = value, ..)`: names fold to lower case; a value is a string, a number or a word, kept as text."""
    options: dict[str, str] = {}
    for name, value in cursor.bracketed(lambda: _option(cursor)):
        if name in options:
            raise InvalidRequest(f"option '{name}' is given twice")
        options[name] = value
    return options


def _option(cursor: Cursor) -> tuple[str, str]:
    name = cursor.name("option").lower()
    cursor.expect("=")
    return name, read_setting(cursor)


def read_setting(cursor: Cursor) -> str:
    """One plain value: a string, a number with or without sign, or a word."""
    token = cursor.token
    sign = cursor.accept_any("-", "+")
    token = cursor.token
    is_plain = token.kind is TokenKind.NUMBER or (
        sign is None and token.kind in (TokenKind.STRING, TokenKind.WORD, TokenKind.QUOTED)
    )
    if not is_plain or cursor.ended:
        raise cursor.error("expected a string, a number or a word")
    cursor.at += 1
    return ("-" if sign == "-" else "") + token.value
