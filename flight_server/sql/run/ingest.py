"""Bulk ingest stores an Arrow stream as rows of a table, all of them or none.

Rows go to the stage as they come (past a limit straight to Parquet) and are committed once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from flight_server.access.grants import Action
from flight_server.parser.statements.definitions import CreateTable
from flight_server.parser.statements.table_ref import TableRef
from flight_server.sql.change.change_stage import StagedChange
from flight_server.sql.change.insert import full_rows
from flight_server.sql.context.audit_event import event
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.columns import columns_of_schema, writable_name
from flight_server.sql.define.definitions import new_table, with_new_table
from flight_server.wire.requests import IfExists, IfMissing, IngestCommand
from storage.catalog.names import CATALOG, TEMPORARY, TableName
from storage.catalog.schema import TableDef, TableKind
from storage.catalog.users import Privilege
from storage.errors import AlreadyExists, InvalidRequest, NotFound, NotSupported


def ingest_rows(
    context: StatementContext, command: IngestCommand, reader: Iterator[pa.RecordBatch], schema: pa.Schema
) -> int:
    """Put all rows of `reader` into the context's transaction; returns how many.

    Raises AlreadyExists, NotFound, InvalidRequest, ConstraintViolated, NotSupported, and what `reader` raises.
    """
    _check_command(command)
    name = _name(context, command)
    exists = name in context.catalog.tables
    if exists and command.if_exists is IfExists.APPEND:
        context.require(Privilege.INSERT, name)
        return _append(context, context.own(context.catalog.table(name)), reader, schema)
    if (exists or command.if_missing is not IfMissing.FAIL) and not name.is_temporary:
        context.require_action(Action.DEFINE)  # before it can be told whether the name is taken
    _check_mode(context, command, name, exists=exists)
    table = new_table(context, name, columns_of_schema(schema), _create_statement(command))
    context.transaction.change_catalog(lambda catalog: with_new_table(catalog, table, or_replace=exists))
    if not name.is_temporary:
        context.transaction.record(event(context.session, "CREATE TABLE", str(name), "bulk ingest"))
    return _append(context, table, reader, schema)


def _append(context: StatementContext, table: TableDef, reader: Iterator[pa.RecordBatch], schema: pa.Schema) -> int:
    _check_columns(table, schema)
    with StagedChange(context, table) as staged:
        for batch in reader:
            given = {name: batch.column(i) for i, name in enumerate(schema.names)}
            for rows in full_rows(context, table, given, batch.num_rows):
                staged.add_rows(rows)
        return staged.apply()


def _name(context: StatementContext, command: IngestCommand) -> TableName:
    """Rows for an existing table may mean a temporary one by its bare name; a new one is temporary if it is said so."""
    if command.temporary:
        return writable_name(TableName(TEMPORARY, command.table))
    ref = TableRef(command.namespace or None, command.table)
    appends = command.if_exists is IfExists.APPEND
    return writable_name(context.name(ref) if appends else context.new_name(ref))


def _check_command(command: IngestCommand) -> None:
    if command.catalog not in (None, "", CATALOG):
        raise NotFound(f"catalog '{command.catalog}' does not exist; there is only '{CATALOG}'", sqlstate="3D000")
    if command.temporary and command.namespace not in (None, "", TEMPORARY):
        raise InvalidRequest(
            f"a temporary table can't be in namespace '{command.namespace}'; name it without one", sqlstate="42P16"
        )
    if command.options:
        unknown = ", ".join(sorted(command.options))
        raise NotSupported(f"unknown ingest options: {unknown}; the only one is acknowledge")


def _check_mode(context: StatementContext, command: IngestCommand, name: TableName, *, exists: bool) -> None:
    if name in context.catalog.views:
        raise AlreadyExists(f"'{name}' is a view; rows can only be loaded into a table")
    if exists and command.if_exists is IfExists.FAIL:
        raise AlreadyExists(f"table '{name}' already exists; load with mode append or replace")
    if not exists and command.if_missing is IfMissing.FAIL:
        raise NotFound(f"table '{name}' does not exist; load with mode create")


def _check_columns(table: TableDef, schema: pa.Schema) -> None:
    if len(set(schema.names)) != len(schema.names):
        raise InvalidRequest("the rows have two columns of one name", sqlstate="42701")
    unknown = [name for name in schema.names if table.column(name) is None]
    if unknown:
        raise InvalidRequest(
            f"the rows have columns that table '{table.name}' does not: {', '.join(unknown[:10])}", sqlstate="42703"
        )


def _create_statement(command: IngestCommand) -> CreateTable:
    return CreateTable(TableRef(command.namespace, command.table), TableKind.SHARED, ())
