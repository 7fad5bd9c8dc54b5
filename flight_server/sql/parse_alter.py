"""ALTER TABLE, ALTER NAMESPACE and COMMENT ON."""

from __future__ import annotations

from typing import Final

from flight_server.sql.cursor import Cursor, not_supported
from flight_server.sql.parse_column import read_column, read_default, read_options
from flight_server.sql.parse_storage import parse_alter_storage
from flight_server.sql.parse_user import parse_alter_user
from flight_server.sql.statements import (
    AddColumn,
    AlterNamespace,
    AlterTable,
    ChangeColumnDefault,
    ChangeColumnNullable,
    ChangeColumnType,
    CommentOn,
    DropColumn,
    RenameColumn,
    RenameTable,
    SetOptions,
    TableAction,
)
from flight_server.sql.storage_statements import AlterStorage
from flight_server.sql.types import read_type
from flight_server.sql.user_statements import AlterUser
from storage.names import checked_column, checked_name

_CONSTRAINTS: Final = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
_KEY_FIXED: Final = "the primary key is given when the table is created"
_REFUSED: Final = {
    "ROLE": "a role is given to a user, with ALTER USER 'name' ROLE ..",
    "VIEW": "use CREATE OR REPLACE VIEW",
    "SEQUENCE": "there are no sequences",
    "SYSTEM": "settings are read from the configuration file",
    "DATABASE": "there is one catalog, frostline",
}


def parse_alter(cursor: Cursor) -> AlterTable | AlterNamespace | AlterUser | AlterStorage:
    """`ALTER TABLE [IF EXISTS] t action, ..`, `ALTER NAMESPACE n SET DESCRIPTION '..'` or `ALTER USER|STORAGE ..`."""
    cursor.expect("ALTER")
    if cursor.peek(1).key != "TABLE" and cursor.accept("USER"):
        return parse_alter_user(cursor)
    if cursor.peek(1).key != "TABLE" and cursor.accept("STORAGE"):
        return parse_alter_storage(cursor)
    if cursor.accept_any("NAMESPACE", "SCHEMA"):
        return _alter_namespace(cursor)
    if cursor.sees_any(tuple(_REFUSED)) and cursor.peek(1).key != "TABLE":
        raise not_supported(f"ALTER {cursor.token.key}", _REFUSED[cursor.token.key])
    cursor.accept("SHARED")
    cursor.expect("TABLE")
    if_exists = cursor.if_exists()
    table = cursor.table()
    return AlterTable(table, cursor.listed(lambda: _action(cursor)), if_exists)


def _alter_namespace(cursor: Cursor) -> AlterNamespace:
    name = cursor.namespace()
    if cursor.sees("RENAME"):
        raise not_supported("renaming a namespace", "create one, and make its tables with CREATE TABLE .. AS")
    cursor.expect("SET", "DESCRIPTION")
    cursor.accept("=")
    return AlterNamespace(name, cursor.string("the description"))


def _action(cursor: Cursor) -> TableAction:
    verb = cursor.expect_any("ADD", "DROP", "RENAME", "ALTER", "SET")
    if verb == "ADD":
        return _add(cursor)
    if verb == "DROP":
        return _drop(cursor)
    if verb == "RENAME":
        return _rename(cursor)
    if verb == "ALTER":
        return _alter_column(cursor)
    if cursor.sees("SCHEMA"):
        raise not_supported("SET SCHEMA", "make the table anew with CREATE TABLE .. AS")
    return SetOptions(read_options(cursor))


def _add(cursor: Cursor) -> AddColumn:
    _refuse_constraint(cursor, "ADD")
    cursor.accept("COLUMN")
    if_not_exists = cursor.if_not_exists()
    declared = read_column(cursor)
    if declared.is_key:
        raise not_supported("ADD COLUMN with PRIMARY KEY", _KEY_FIXED)
    if cursor.sees_any(("FIRST", "AFTER")):
        raise not_supported("the place of a new column", "it is always the last; name columns in SELECT")
    return AddColumn(declared.spec, if_not_exists)


def _drop(cursor: Cursor) -> DropColumn:
    _refuse_constraint(cursor, "DROP")
    cursor.accept("COLUMN")
    if_exists = cursor.if_exists()
    name = cursor.name("column")
    if cursor.sees("CASCADE"):
        raise not_supported("CASCADE for a column", "drop the views that use it by name")
    cursor.accept("RESTRICT")
    return DropColumn(name, if_exists)


def _refuse_constraint(cursor: Cursor, verb: str) -> None:
    word = cursor.token.key
    if word in _CONSTRAINTS:
        raise not_supported(f"{verb} {'PRIMARY KEY' if word == 'PRIMARY' else word}", _KEY_FIXED)


def _rename(cursor: Cursor) -> RenameColumn | RenameTable:
    if cursor.accept("TO"):
        return RenameTable(checked_name("table", cursor.name("table")))
    cursor.accept("COLUMN")
    name = cursor.name("column")
    cursor.expect("TO")
    return RenameColumn(name, checked_column(cursor.name("column")))


def _alter_column(cursor: Cursor) -> TableAction:
    cursor.accept("COLUMN")
    name = cursor.name("column")
    verb = cursor.expect_any("SET", "DROP", "TYPE")
    if verb == "TYPE" or (verb == "SET" and cursor.accept("DATA", "TYPE")):
        return _change_type(cursor, name)
    if cursor.accept("DEFAULT"):
        return ChangeColumnDefault(name, read_default(cursor) if verb == "SET" else None)
    if not cursor.accept("NOT", "NULL"):
        raise cursor.error(f"expected {'DATA TYPE, ' if verb == 'SET' else ''}DEFAULT or NOT NULL")
    return ChangeColumnNullable(name, nullable=verb == "DROP")


def _change_type(cursor: Cursor, name: str) -> ChangeColumnType:
    data_type, sql_type = read_type(cursor)
    if cursor.sees("USING"):
        raise not_supported("TYPE .. USING", "a type can only be widened; add a column and UPDATE it instead")
    return ChangeColumnType(name, data_type, sql_type)


def parse_comment(cursor: Cursor) -> CommentOn:
    """`COMMENT ON TABLE t IS '..'` or `COMMENT ON COLUMN t.c IS '..'`; NULL takes the comment away."""
    cursor.expect("COMMENT", "ON")
    if cursor.sees_any(("SCHEMA", "NAMESPACE")):
        raise not_supported(f"COMMENT ON {cursor.token.key}", "use ALTER NAMESPACE n SET DESCRIPTION '..'")
    if cursor.expect_any("TABLE", "VIEW", "COLUMN") != "COLUMN":
        return CommentOn(cursor.table(), None, _comment(cursor))
    token = cursor.token
    *table, column = cursor.path("column")
    if not table:
        raise cursor.error("expected a column as table.column")
    return CommentOn(cursor.table_of(table, "table", token), column, _comment(cursor))


def _comment(cursor: Cursor) -> str:
    cursor.expect("IS")
    return "" if cursor.accept("NULL") else cursor.string("the comment")
