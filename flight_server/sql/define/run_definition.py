"""`run_definition` commits a definition and its audit record as one edit."""

from __future__ import annotations

import re
from typing import Final

from flight_server.parser.statements.definitions import Definition
from flight_server.parser.statements.storages import StorageStatement
from flight_server.parser.statements.users import GrantRights, UserStatement
from flight_server.sql.change.change_stage import Changed
from flight_server.sql.context.audit_event import event
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.definitions import define
from flight_server.sql.define.storages import define_storage
from flight_server.sql.define.users import define_user

_WORD_BORDER: Final = re.compile(r"(?<!^)(?=[A-Z])")


Audited = Definition | UserStatement | StorageStatement


def run_definition(context: StatementContext, statement: Audited) -> Changed:
    """Apply it; if it changed anything, say so in the audit log. Raises as `define` and its kin."""
    before = context.transaction.definitions, context.transaction.catalog
    if isinstance(statement, UserStatement):
        define_user(context, statement)
        changed = Changed(0)
    elif isinstance(statement, StorageStatement):
        define_storage(context, statement)
        changed = Changed(0)
    else:
        changed = define(context, statement)
    after = context.transaction.definitions, context.transaction.catalog
    # A definition that changes nothing (IF NOT EXISTS) counts, but leaves the catalog; temporary tables are in the
    # catalog, but do not count: they are nobody else's business.
    if after[0] != before[0] and after[1] is not before[1]:
        context.transaction.record(event(context.session, _words(statement), _object(context, statement), context.text))
    return changed


def _words(statement: Audited) -> str:
    """`CreateTable` -> CREATE TABLE"""
    if isinstance(statement, GrantRights):
        return "REVOKE" if statement.revoke else "GRANT"
    return _WORD_BORDER.sub(" ", type(statement).__name__).upper()


def _object(context: StatementContext, statement: Audited) -> str:
    if isinstance(statement, GrantRights):
        return ", ".join(str(context.name(table)) for table in statement.tables)
    ref = getattr(statement, "table", None) or getattr(statement, "view", None)
    return str(context.name(ref)) if ref is not None else str(getattr(statement, "name", ""))
