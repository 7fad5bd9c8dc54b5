"""Reads statements about users and their rights, and EXECUTE AS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flight_server.parser.statements.users import (
    AlterUser,
    CreateUser,
    DropUser,
    ExecuteAs,
    GrantRights,
    Secret,
    UndropUser,
)
from flight_server.parser.text.cursor import Cursor, not_supported
from flight_server.parser.text.lexer import TokenKind
from storage.catalog.names import checked_storage_name
from storage.catalog.storages import StorageMode
from storage.catalog.users import Privilege, Role, checked_user_name
from storage.errors import InvalidRequest

_EMAIL_CHARACTERS_MAX: Final = 254
_ALONE: Final = "name one role, with ALTER USER 'name' ROLE .."


def parse_create_user(cursor: Cursor) -> CreateUser:
    """`CREATE USER [IF NOT EXISTS] 'name' [WITH] [PASSWORD '..'] [ROLE r] [EMAIL '..'] [STORAGE s]
    [STORAGE_MODE table|region]`, from behind USER."""
    if_not_exists = cursor.if_not_exists()
    name = user_name(cursor)
    return CreateUser(name, **_options(cursor), if_not_exists=if_not_exists)


def parse_alter_user(cursor: Cursor) -> AlterUser:
    """`ALTER USER 'name' [WITH | SET] option ..`, from behind USER."""
    name = user_name(cursor)
    cursor.accept("SET")
    if cursor.ended:
        *others, last = _READERS
        raise cursor.error(f"expected {', '.join(others)} or {last}")
    return AlterUser(name, **_options(cursor))


def parse_drop_user(cursor: Cursor) -> DropUser:
    """`DROP USER [IF EXISTS] 'name'`, from behind USER."""
    if_exists = cursor.if_exists()
    name = user_name(cursor)
    if cursor.sees(","):
        raise not_supported("DROP of several users", "name one at a time")
    return DropUser(name, if_exists)


def parse_undrop(cursor: Cursor) -> UndropUser:
    """`UNDROP USER 'name'`"""
    cursor.expect("UNDROP")
    if not cursor.accept("USER"):
        raise not_supported(f"UNDROP {cursor.token.key}", "only users can be brought back")
    return UndropUser(user_name(cursor))


def user_name(cursor: Cursor) -> str:
    """Raises InvalidRequest."""
    return checked_user_name(read_name(cursor, "user"))


def read_options(
    cursor: Cursor, readers: Mapping[str, Callable[[Cursor], Any]], *, equals: bool = False
) -> dict[str, Any]:
    """`WORD value [,] ..` to the end of the statement, by word; each at most once. Raises InvalidRequest.

    equals: whether `=` may stand before the value
    """
    cursor.hides_strings = True  # an error must not repeat what may be a password or a credential
    given: dict[str, Any] = {}
    while not cursor.ended:
        word = cursor.expect_any(*readers)
        if word in given:
            raise InvalidRequest(f"{word} is given twice", sqlstate="42601")
        if equals:
            cursor.accept("=")
        given[word] = readers[word](cursor)
        cursor.accept(",")
    return given


def _options(cursor: Cursor) -> dict[str, Any]:
    cursor.accept("WITH")
    return {word.lower(): value for word, value in read_options(cursor, _READERS).items()}


def _storage(cursor: Cursor) -> str:
    """A name, or NULL for none of the user's own."""
    if cursor.accept("NULL"):
        return ""
    return checked_storage_name(read_name(cursor, "storage"))


def _storage_mode(cursor: Cursor) -> StorageMode:
    is_string = cursor.token.kind is TokenKind.STRING
    # `table` is a reserved word, but no other thing could be meant here.
    text = "table" if cursor.accept("TABLE") else cursor.string("a mode") if is_string else cursor.name("storage mode")
    try:
        return StorageMode(text.lower())
    except ValueError:
        raise InvalidRequest(
            f"there is no storage mode {_given(text, is_string)}: use one of {', '.join(StorageMode)}"
        ) from None


def _email(cursor: Cursor) -> str:
    text = cursor.string("the e-mail address")
    if len(text) > _EMAIL_CHARACTERS_MAX or not text.isprintable():
        raise InvalidRequest(f"an e-mail address has at most {_EMAIL_CHARACTERS_MAX} printable characters")
    return text


def _role(cursor: Cursor) -> Role:
    is_string = cursor.token.kind is TokenKind.STRING
    text = cursor.string("a role") if is_string else cursor.name("role")
    try:
        return Role(text.lower())
    except ValueError:
        raise InvalidRequest(f"there is no role {_given(text, is_string)}: use one of {', '.join(Role)}") from None


def _given(text: str, is_string: bool) -> str:
    """A string may be a password in the wrong place."""
    return "of that name" if is_string else f"'{text[:64]}'"


_READERS: Final[Mapping[str, Callable[[Cursor], Any]]] = {
    "PASSWORD": lambda cursor: read_secret(cursor, "the password", "PASSWORD"),
    "ROLE": _role,
    "EMAIL": _email,
    "STORAGE": _storage,
    "STORAGE_MODE": _storage_mode,
}


# --- rights ----------------------------------------------------------------------------------------------------


def parse_grant(cursor: Cursor) -> GrantRights:
    """`GRANT SELECT, .. | ALL [PRIVILEGES] ON [TABLE] t, .. TO 'user', ..`"""
    cursor.expect("GRANT")
    return _rights(cursor, "TO", revoke=False)


def parse_revoke(cursor: Cursor) -> GrantRights:
    """`REVOKE SELECT, .. | ALL [PRIVILEGES] ON [TABLE] t, .. FROM 'user', ..`"""
    cursor.expect("REVOKE")
    if cursor.sees("GRANT", "OPTION"):
        raise not_supported("GRANT OPTION", "a dba grants")
    return _rights(cursor, "FROM", revoke=True)


def _rights(cursor: Cursor, to: str, *, revoke: bool) -> GrantRights:
    privileges = _privileges(cursor)
    cursor.expect("ON")
    if cursor.sees("ALL") or cursor.sees_any(("SCHEMA", "NAMESPACE", "DATABASE")):
        raise not_supported("rights on whole namespaces", "name the tables")
    if cursor.sees("TABLE"):
        cursor.at += 1
    tables = cursor.listed(cursor.table)
    cursor.expect(to)
    users = cursor.listed(lambda: user_name(cursor))
    if cursor.sees("WITH"):
        raise not_supported("WITH GRANT OPTION", "a dba grants")
    return GrantRights(privileges, tables, users, revoke)


def _privileges(cursor: Cursor) -> frozenset[Privilege]:
    if cursor.accept("ALL"):
        cursor.accept("PRIVILEGES")
        return frozenset()
    if not cursor.sees_any(tuple(Privilege)) and (cursor.peek(1).key in ("TO", "FROM", ",")):
        raise not_supported("GRANT of a role", _ALONE)
    found = frozenset(cursor.listed(lambda: Privilege(cursor.expect_any(*Privilege, "ALL"))))
    if cursor.sees("("):
        raise not_supported("rights on single columns", "make a view of them, and grant SELECT on it")
    return found


# --- acting for somebody else ----------------------------------------------------------------------------------


def parse_execute(cursor: Cursor) -> ExecuteAs:
    """`EXECUTE AS USER 'name' (statement)`"""
    cursor.expect("EXECUTE")
    if not cursor.sees("AS"):
        raise not_supported("EXECUTE", "prepare statements through the client's driver")
    cursor.expect("AS", "USER")
    name = user_name(cursor)
    cursor.expect("(")
    sql = cursor.slice("a statement", lambda: False)
    cursor.expect(")")
    return ExecuteAs(name, sql)


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
