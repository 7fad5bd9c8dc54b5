"""Reads session settings, USE, and transactions as SQL."""

from __future__ import annotations

from typing import Final

from flight_server.parser.grammar.columns import read_setting
from flight_server.parser.statements.session import SetVariable, TransactionAction, TransactionControl, Use
from flight_server.parser.text.cursor import Cursor, not_supported
from flight_server.parser.text.lexer import TokenKind

TIME_ZONE: Final = "timezone"
_ISOLATIONS: Final = (
    ("SNAPSHOT",),
    ("REPEATABLE", "READ"),
    ("READ", "COMMITTED"),
    ("READ", "UNCOMMITTED"),
)


def parse_use(cursor: Cursor) -> Use:
    """`USE [NAMESPACE] n`"""
    cursor.expect("USE")
    if cursor.sees_any(("NAMESPACE", "SCHEMA")) and cursor.peek(1).value:
        cursor.at += 1
    return Use(cursor.namespace())


# --- settings --------------------------------------------------------------------------------------------------


def parse_set(cursor: Cursor) -> SetVariable | TransactionControl:
    """`SET name = value`, `SET name TO value`, `SET TIME ZONE 'x'`, `SET SCHEMA 'x'`; the value DEFAULT resets."""
    cursor.expect("SET")
    if cursor.accept("TRANSACTION") or cursor.accept("SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"):
        return _set_transaction(cursor)
    if cursor.sees("SCHEMA") and cursor.peek(1).kind is TokenKind.STRING:
        cursor.at += 1
        return SetVariable("schema", cursor.string("the namespace"))
    if cursor.sees("LOCAL"):
        raise not_supported("SET LOCAL", "use SET; it holds for the session")
    if cursor.sees("SESSION") and cursor.peek(1).key not in ("=", "TO", "."):
        cursor.accept("SESSION")
    is_time_zone = cursor.sees("TIME", "ZONE")
    name = variable_name(cursor)
    if not is_time_zone or cursor.sees_any(("=", "TO")):
        cursor.expect_any("=", "TO")
    elif cursor.accept("LOCAL"):
        return SetVariable(name, None)
    value = _value(cursor)
    if name == "search_path" and value is not None and "," in value:
        raise not_supported("a search_path of several namespaces", "name the one that is looked in")
    return SetVariable(name, value)


def _set_transaction(cursor: Cursor) -> TransactionControl:
    """Modes that every transaction has: what it can't have is refused, so there is nothing to set."""
    _mode(cursor)
    while not cursor.ended:
        cursor.accept(",")
        _mode(cursor)
    return TransactionControl(TransactionAction.SET_MODES)


def _value(cursor: Cursor) -> str | None:
    """A list (`a, b`) stays one text; a lone string loses its quotes."""
    if cursor.accept("DEFAULT"):
        return None
    first = cursor.at
    parts = cursor.listed(lambda: _plain(cursor))
    if len(parts) == 1:
        return parts[0]
    return cursor.text[cursor.tokens[first].start : cursor.tokens[cursor.at - 1].end]


def _plain(cursor: Cursor) -> str:
    token = cursor.token
    if cursor.sees_any(("ON", "TRUE", "FALSE")):  # reserved words, and yet usual values
        cursor.at += 1
        return token.value
    return read_setting(cursor)


def parse_reset(cursor: Cursor) -> SetVariable:
    """`RESET name`"""
    cursor.expect("RESET")
    if cursor.sees("ALL"):
        raise not_supported("RESET ALL", "reset each setting by name; SHOW ALL lists them")
    return SetVariable(variable_name(cursor), None)


def variable_name(cursor: Cursor) -> str:
    """`a.b` in lower case; TIME ZONE is one name."""
    if cursor.accept("TIME", "ZONE"):
        return TIME_ZONE
    if cursor.accept("TRANSACTION", "ISOLATION", "LEVEL"):
        return "transaction_isolation"
    return ".".join(cursor.path("setting")).lower()


# --- transactions ----------------------------------------------------------------------------------------------


def parse_begin(cursor: Cursor) -> TransactionControl:
    """`BEGIN [WORK | TRANSACTION] [modes]`"""
    cursor.expect("BEGIN")
    cursor.accept_any("WORK", "TRANSACTION")
    return _begun(cursor)


def parse_start(cursor: Cursor) -> TransactionControl:
    """`START TRANSACTION [modes]`"""
    cursor.expect("START", "TRANSACTION")
    return _begun(cursor)


def _begun(cursor: Cursor) -> TransactionControl:
    while not cursor.ended:
        _mode(cursor)
        cursor.accept(",")
    return TransactionControl(TransactionAction.BEGIN)


def _mode(cursor: Cursor) -> None:
    """Snapshot isolation gives at least what these ask for; what it can't give is refused."""
    if cursor.accept("READ", "WRITE"):
        return
    if cursor.sees("READ", "ONLY"):
        raise not_supported("a READ ONLY transaction", "begin without it and write nothing")
    cursor.expect("ISOLATION", "LEVEL")
    if cursor.sees("SERIALIZABLE"):
        raise not_supported("ISOLATION LEVEL SERIALIZABLE", "transactions have snapshot isolation")
    if not any(cursor.accept(*level) for level in _ISOLATIONS):
        raise cursor.error("expected SNAPSHOT, REPEATABLE READ or READ COMMITTED")


def parse_commit(cursor: Cursor) -> TransactionControl:
    """`COMMIT [WORK | TRANSACTION]`; END is another word for it."""
    cursor.expect_any("COMMIT", "END")
    cursor.accept_any("WORK", "TRANSACTION")
    _refuse_chain(cursor, "COMMIT")
    return TransactionControl(TransactionAction.COMMIT)


def parse_rollback(cursor: Cursor) -> TransactionControl:
    """`ROLLBACK [WORK | TRANSACTION] [TO [SAVEPOINT] name]`"""
    cursor.expect_any("ROLLBACK", "ABORT")
    cursor.accept_any("WORK", "TRANSACTION")
    _refuse_chain(cursor, "ROLLBACK")
    if not cursor.accept("TO"):
        return TransactionControl(TransactionAction.ROLLBACK)
    return TransactionControl(TransactionAction.ROLLBACK_TO, _savepoint(cursor))


def _refuse_chain(cursor: Cursor, verb: str) -> None:
    if cursor.sees("AND", "CHAIN"):
        raise not_supported(f"{verb} AND CHAIN", "begin the next transaction yourself")
    cursor.accept("AND", "NO", "CHAIN")


def parse_savepoint(cursor: Cursor) -> TransactionControl:
    """`SAVEPOINT name`"""
    cursor.expect("SAVEPOINT")
    return TransactionControl(TransactionAction.SAVEPOINT, cursor.name("savepoint"))


def parse_release(cursor: Cursor) -> TransactionControl:
    """`RELEASE [SAVEPOINT] name`"""
    cursor.expect("RELEASE")
    return TransactionControl(TransactionAction.RELEASE, _savepoint(cursor))


def _savepoint(cursor: Cursor) -> str:
    if cursor.sees("SAVEPOINT") and cursor.peek(1).value:
        cursor.at += 1
    return cursor.name("savepoint")
