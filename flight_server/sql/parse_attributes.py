"""What statements about users and storages have in common: names that may be strings, and secrets."""

from __future__ import annotations

from flight_server.sql.cursor import Cursor
from flight_server.sql.lexer import TokenKind
from flight_server.sql.user_statements import Secret
from storage.errors import InvalidRequest


def read_name(cursor: Cursor, what: str) -> str:
    """A string as it is; a bare name folds to lower case, like any other."""
    if cursor.token.kind is TokenKind.STRING:
        return cursor.string(f"the {what}'s name")
    return cursor.name(what)


def read_secret(cursor: Cursor, what: str, behind: str) -> Secret:
    """A string, a parameter, or NULL for none."""
    if cursor.accept("NULL"):
        return Secret()
    if cursor.token.kind is TokenKind.PARAMETER:
        number = cursor.token.value.removeprefix("$")
        cursor.at += 1
        return Secret(parameter=number)
    if cursor.token.kind is not TokenKind.STRING:  # and whatever it is instead must not be repeated
        raise InvalidRequest(f"expected {what} as a string in single quotes behind {behind}", sqlstate="42601")
    return Secret(cursor.string(what))
