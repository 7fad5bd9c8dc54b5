"""CREATE, ALTER and DROP VIEW."""

from __future__ import annotations

import pyarrow as pa

from flight_server.parser.statements.constraints import DropRule
from flight_server.parser.statements.views import AlterView, CreateView, DropView
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.sql_text import SqlText
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.columns import writable_name
from flight_server.sql.define.dependents import dependent_views, refuse_dependents, without_views
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName, checked_column, quoted
from storage.catalog.schema import ViewDef
from storage.errors import FrostlineError, InvalidRequest, NotSupported

_NAMES_ITSELF = "42P19"


def create_view(context: StatementContext, statement: CreateView) -> None:
    """Raises AlreadyExists, InvalidRequest, NotFound, NotSupported."""
    name = writable_name(context.new_name(statement.view))
    if name.is_temporary:
        raise NotSupported("views can't be temporary; create it in another namespace, or use WITH")
    sql = statement.sql
    if number_parameters(SqlText(sql)).count:
        raise InvalidRequest(f"view '{name}' can't have parameters", sqlstate="42P02")
    if statement.if_not_exists and context.transaction.catalog.is_taken(name):
        return
    if statement.columns:
        listed = ", ".join(quoted(checked_column(column)) for column in statement.columns)
        sql = f"SELECT * FROM ({sql}) AS {quoted(name.table)} ({listed})"
    now_ms = context.services.clock.wall_ms()
    view = ViewDef(name=name, sql=sql, default_namespace=context.namespace, created_ms=now_ms)
    context.transaction.change_catalog(lambda catalog: catalog.with_view(view, or_replace=statement.or_replace))
    _plan(context, name)  # with the view in place: finds unknown names, and views that name themselves


def alter_view(context: StatementContext, statement: AlterView) -> None:
    """RENAME TO. Views that name it are left as they are written, as after ALTER TABLE .. RENAME TO.

    Raises AlreadyExists, InvalidRequest, NotFound.
    """
    name = writable_name(context.new_name(statement.view))
    if statement.if_exists and not context.transaction.catalog.is_taken(name):
        return
    rename_view(context, name, statement.new_name)


def rename_view(context: StatementContext, name: TableName, new_name: str) -> None:
    """Raises AlreadyExists, InvalidRequest, NotFound."""
    new = writable_name(TableName(name.namespace, new_name))
    context.transaction.change_catalog(lambda catalog: catalog.with_renamed_view(catalog.view(name), new))
    try:
        _plan(context, new)
    except FrostlineError as error:
        if error.sqlstate == _NAMES_ITSELF:  # any other fault it had before
            raise


def drop_view(context: StatementContext, statement: DropView) -> None:
    """Raises InvalidRequest, NotFound."""
    name = writable_name(context.new_name(statement.view))
    catalog = context.transaction.catalog
    if statement.if_exists and not catalog.is_taken(name):
        return
    catalog.view(name)
    views = dependent_views(context, name) if statement.rule is not None else ()
    if statement.rule is DropRule.RESTRICT:
        refuse_dependents(catalog, name, views)

    def drop(catalog: Catalog) -> Catalog:
        catalog.view(name)
        return without_views(catalog.without_view(name), views)

    context.transaction.change_catalog(drop)


def check_view_column(context: StatementContext, name: TableName, column: str) -> None:
    """Raises InvalidRequest if the view has no such column."""
    if column not in _plan(context, name).names:
        raise InvalidRequest(f"view '{name}' has no column '{column}'", sqlstate="42703")


def _plan(context: StatementContext, name: TableName) -> pa.Schema:
    return context.plan(f"SELECT * FROM {quoted(name.namespace)}.{quoted(name.table)}").schema
