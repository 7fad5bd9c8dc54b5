"""Reads SHOW and DESCRIBE."""

from __future__ import annotations

from typing import Final

from flight_server.parser.grammar.jobs import parse_show_backup
from flight_server.parser.grammar.session import variable_name
from flight_server.parser.grammar.users import user_name
from flight_server.parser.statements.backups import ShowBackup
from flight_server.parser.statements.session import Describe, DescribeQuery, Show, ShowKind
from flight_server.parser.text.cursor import Cursor, not_supported

_NOT_YET: Final = "it is not part of this version"
_REFUSED: Final = {
    "FUNCTIONS": "read information_schema.routines",
    "DATABASES": "there is one catalog, frostline; use SHOW NAMESPACES",
    "CATALOGS": "there is one catalog, frostline; use SHOW NAMESPACES",
}


def parse_show(cursor: Cursor) -> Show | ShowBackup:
    """`SHOW NAMESPACES | TABLES [IN n] | COLUMNS FROM t | STATS FOR TABLE t | CREATE TABLE t | USERS | GRANTS [FOR u]
    | STORAGES | ALL | BACKUP 'uri' | name`"""
    cursor.expect("SHOW")
    word = cursor.token.key
    if word in _REFUSED:
        raise not_supported(f"SHOW {word}", _REFUSED[word])
    if word in ("BACKUP", "BACKUPS"):
        return parse_show_backup(cursor)
    if cursor.accept_any("NAMESPACES", "SCHEMAS"):
        return Show(ShowKind.NAMESPACES)
    if cursor.accept("TABLES"):
        narrowed = cursor.accept_any("IN", "FROM") is not None
        return Show(ShowKind.TABLES, in_namespace=cursor.namespace() if narrowed else None)
    if cursor.accept("COLUMNS"):
        cursor.expect_any("FROM", "IN")
        return Show(ShowKind.COLUMNS, cursor.table())
    if cursor.accept("STATS"):
        cursor.expect("FOR")
        cursor.accept("TABLE")
        return Show(ShowKind.STATS, cursor.table())
    if cursor.accept("CREATE"):
        cursor.expect_any("TABLE", "VIEW")
        return Show(ShowKind.CREATE_TABLE, cursor.table())
    if cursor.accept("USERS"):
        return Show(ShowKind.USERS)
    if cursor.accept("GRANTS"):
        return Show(ShowKind.GRANTS, user=user_name(cursor) if cursor.accept("FOR") else None)
    if cursor.accept("STORAGES"):
        return Show(ShowKind.STORAGES)
    if cursor.accept("ALL"):
        return Show(ShowKind.ALL)
    return Show(ShowKind.VARIABLE, variable=variable_name(cursor))


def parse_describe(cursor: Cursor) -> Describe | DescribeQuery:
    """`DESCRIBE [TABLE] t [HISTORY]`, `DESCRIBE query`, `DESCRIBE (query)`"""
    cursor.expect_any("DESCRIBE", "DESC")
    if cursor.sees_any(("SELECT", "WITH", "VALUES", "(")):
        return DescribeQuery(cursor.query("a query"))
    cursor.accept("TABLE")
    return Describe(cursor.table(), cursor.accept("HISTORY"))
