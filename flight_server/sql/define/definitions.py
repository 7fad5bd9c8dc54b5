"""CREATE, DROP and COMMENT become functions from catalog to catalog, handed to the transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from flight_server.parser.statements.constraints import DropRule
from flight_server.parser.statements.definitions import (
    AlterTable,
    ColumnSpec,
    CommentOn,
    CreateTable,
    Definition,
    DropTable,
)
from flight_server.parser.statements.namespaces import AlterNamespace, CreateNamespace, DropNamespace
from flight_server.parser.statements.views import AlterView, CreateView, DropView
from flight_server.sql.change.change_stage import Changed, StagedChange
from flight_server.sql.change.row_conversion import checked_rows
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.alter import alter_table
from flight_server.sql.define.columns import check_default, columns_of_schema, key_column, new_column, writable_name
from flight_server.sql.define.constraints import with_constraints
from flight_server.sql.define.dependents import dependent_views, refuse_dependents, without_views
from flight_server.sql.define.views import alter_view, check_view_column, create_view, drop_view
from storage.catalog.catalog import Catalog
from storage.catalog.names import TEMPORARY, TableName, checked_new_namespace
from storage.catalog.schema import PORTABLE, Column, NamespaceDef, TableDef, TableKind
from storage.catalog.table_options import options_of_new, with_options
from storage.errors import AlreadyExists, InvalidRequest, NotSupported
from storage.state.stream_retention import check_stream
from storage.transactions.temporary_tables import with_namespace


def define(context: StatementContext, statement: Definition) -> Changed:
    """Apply it to the context's transaction. Raises AlreadyExists, NotFound, InvalidRequest, NotSupported."""
    match statement:
        case CreateTable():
            return create_table(context, statement)
        case AlterTable():
            return alter_table(context, statement)
        case DropTable():
            _drop_table(context, statement)
        case CreateView():
            create_view(context, statement)
        case AlterView():
            alter_view(context, statement)
        case DropView():
            drop_view(context, statement)
        case CommentOn():
            _comment(context, statement)
        case _:
            _define_namespace(context, statement)
    return Changed(0)


def create_table(context: StatementContext, statement: CreateTable) -> Changed:
    """CREATE TABLE, with rows for AS SELECT."""
    if statement.kind is TableKind.STREAM and is_temporary(statement):
        raise NotSupported("a stream table can't be temporary: leave out TEMP, its events expire by themselves")
    name = _new_name(context, statement)
    if context.transaction.catalog.is_taken(name):
        if statement.if_not_exists:
            return Changed(0)
        if not statement.or_replace:
            raise AlreadyExists(f"table '{name}' already exists; drop it first, or use IF NOT EXISTS or OR REPLACE")
    columns = statement.columns or columns_of_schema(context.plan(statement.as_sql or "").schema)
    table = new_table(context, name, columns, statement)
    # Rows are computed before the table is there, so that AS SELECT sees what it replaces.
    with StagedChange(context, table) as staged:
        if statement.as_sql is not None:
            for batch in context.stream_positional(statement.as_sql, [c.type for c in table.columns], str(name)):
                given = {c.name: batch.column(i) for i, c in enumerate(table.columns)}
                staged.add_rows(checked_rows(table, given, batch.num_rows))
        context.transaction.change_catalog(
            lambda catalog: with_new_table(catalog, table, or_replace=statement.or_replace)
        )
        return Changed(staged.apply())


def is_temporary(statement: CreateTable) -> bool:
    """Whether it makes a table of the session's own."""
    return statement.temporary or statement.table.namespace == TEMPORARY


def _new_name(context: StatementContext, statement: CreateTable) -> TableName:
    """Raises InvalidRequest."""
    if not is_temporary(statement):
        return writable_name(context.new_name(statement.table))
    if statement.table.namespace not in (None, TEMPORARY):
        raise InvalidRequest(
            f"temporary table '{statement.table.table}' can't be in namespace '{statement.table.namespace}'; name it "
            "without one",
            sqlstate="42P16",
        )
    return writable_name(TableName(TEMPORARY, statement.table.table))


def new_table(
    context: StatementContext, name: TableName, specs: Sequence[ColumnSpec], statement: CreateTable
) -> TableDef:
    """A checked definition under a new id. Raises InvalidRequest, NotSupported."""
    if not name.is_temporary:
        context.transaction.catalog.namespace(name.namespace)
    if not specs:
        raise InvalidRequest(f"table '{name}' needs at least one column", sqlstate="42P16")
    columns: list[Column] = []
    for spec in specs:
        columns.append(new_column(spec, [c.name for c in columns], {c.physical_name for c in columns}))
    keyed = tuple(key_column(c) if c.name in statement.primary_key else c for c in columns)
    names = tuple(c.name for c in keyed)
    for key in statement.primary_key:
        if key not in names:
            raise InvalidRequest(
                f"primary key names column '{key}', which table '{name}' does not have", sqlstate="42703"
            )
    defaults = options_of_new(statement.kind, context.services.engine.settings.stream_eviction)
    table = TableDef(
        table_id=context.services.engine.new_id(),
        name=name,
        folder_rule=PORTABLE,
        kind=statement.kind,
        columns=keyed,
        primary_key=statement.primary_key,
        key_name=statement.key_name,
        options=with_options(defaults, statement.options, names, statement.kind),
    )
    if table.kind is TableKind.STREAM:
        check_stream(table)
    for column in table.columns:
        check_default(context, table, column)
    return with_constraints(context, table, statement.constraints)


def with_new_table(catalog: Catalog, table: TableDef, *, or_replace: bool) -> Catalog:
    """`catalog` with `table`, which may take the place of another one."""
    if table.name.is_temporary:
        catalog = with_namespace(catalog)
    if or_replace and table.name in catalog.tables:
        return catalog.with_replaced_table(table)
    return catalog.with_new_table(table)


def _drop_table(context: StatementContext, statement: DropTable) -> None:
    name = writable_name(context.name(statement.table))
    catalog = context.transaction.catalog
    if statement.if_exists and not catalog.is_taken(name):
        return
    table = catalog.table(name)
    if statement.kind not in (None, table.kind):
        raise InvalidRequest(f"table '{name}' is a {table.kind} table, not a {statement.kind} one", sqlstate="42809")
    views = dependent_views(context, name) if statement.rule is not None else ()
    if statement.rule is DropRule.RESTRICT:
        refuse_dependents(catalog, name, views)

    def drop(catalog: Catalog) -> Catalog:
        catalog.table_by_id(table)
        return without_views(catalog.without_table(name), views)

    context.transaction.change_catalog(drop)


def _comment(context: StatementContext, statement: CommentOn) -> None:
    name = writable_name(context.name(statement.table))
    if name in context.transaction.catalog.views and statement.column is not None:
        check_view_column(context, name, statement.column)

    def comment(catalog: Catalog) -> Catalog:
        if name in catalog.views:
            return catalog.with_view(catalog.view(name).commented(statement.column, statement.comment), or_replace=True)
        return catalog.with_table(_commented(catalog.table(name), statement))

    context.transaction.change_catalog(comment)


def _commented(table: TableDef, statement: CommentOn) -> TableDef:
    version = table.version + 1
    if statement.column is None:
        return msgspec.structs.replace(table, comment=statement.comment, version=version)
    if table.column(statement.column) is None:
        raise InvalidRequest(f"table '{table.name}' has no column '{statement.column}'", sqlstate="42703")
    columns = tuple(
        msgspec.structs.replace(c, comment=statement.comment) if c.name == statement.column else c
        for c in table.columns
    )
    return msgspec.structs.replace(table, columns=columns, version=version)


def _define_namespace(context: StatementContext, statement: CreateNamespace | AlterNamespace | DropNamespace) -> None:
    now_ms = context.services.clock.wall_ms()

    def change(catalog: Catalog) -> Catalog:
        match statement:
            case CreateNamespace(name, if_not_exists):
                return _with_namespace(catalog, NamespaceDef(name=name, created_ms=now_ms), if_not_exists)
            case AlterNamespace(name, description):
                old = catalog.namespace(name)
                return catalog.with_namespace(msgspec.structs.replace(old, description=description))
            case DropNamespace(name, if_exists, cascade):
                if if_exists and name not in catalog.namespaces:
                    return catalog
                return catalog.without_namespace(name, cascade=cascade)

    context.transaction.change_catalog(change)


def _with_namespace(catalog: Catalog, namespace: NamespaceDef, if_not_exists: bool) -> Catalog:
    checked_new_namespace(namespace.name)
    if namespace.name not in catalog.namespaces:
        return catalog.with_namespace(namespace)
    if if_not_exists:
        return catalog
    raise AlreadyExists(f"namespace '{namespace.name}' already exists", sqlstate="42P06")
