"""SHOW and DESCRIBE answer with small tables about the catalog and the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from flight_server.access.grants import Action
from flight_server.access.sessions.session_options import option_name, session_options
from flight_server.parser.statements.session import Describe, Show, ShowKind
from flight_server.parser.text.quoting import sql_name
from flight_server.parser.text.type_names import sql_type_name
from flight_server.sql.context.session_functions import FACTS
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.show.create_sql import create_table_sql, create_view_sql
from flight_server.sql.show.definition_history import author_of, operations
from flight_server.sql.show.stream_facts import described_stream
from storage.catalog.names import TableName
from storage.catalog.references import only_known_references
from storage.catalog.schema import Column, TableDef, TableKind, ViewDef
from storage.errors import NotFound
from storage.seq import ms_of
from storage.state.state import PartitionState
from storage.state.stream_retention import visible

_MS = pa.timestamp("ms", tz="UTC")
_USERS, _GRANTS = TableName("system", "users"), TableName("system", "grants")
_STORAGES = TableName("system", "storages")


def show(context: StatementContext, statement: Show) -> pa.Table:
    """Raises NotFound, InvalidRequest."""
    match statement.kind:
        case ShowKind.NAMESPACES:
            return _namespaces(context)
        case ShowKind.TABLES:
            return _tables(context, statement.in_namespace)
        case ShowKind.VARIABLE:
            return _variable(context, statement.variable or "")
        case ShowKind.ALL:
            options = session_options(context.session)
            return _texts({"name": list(options), "value": [str(value) for value in options.values()]})
        case ShowKind.USERS:
            return context.virtual[_USERS]()
        case ShowKind.STORAGES:
            context.rights.require_action(Action.SEE_FIGURES)
            return context.virtual[_STORAGES]()
        case ShowKind.GRANTS:
            return _grants(context, statement.user)
        case ShowKind.COLUMNS:
            return _columns(context, statement)
        case ShowKind.CREATE_TABLE:
            return _create_statement(context, statement)
        case ShowKind.STATS:
            assert statement.table is not None
            table = context.table(statement.table)
            partition = context.transaction.state.partition(table.partition_id)
            return _stats(table, visible(table, partition, _age_ms(context, partition)))


def describe(context: StatementContext, statement: Describe) -> pa.Table:
    """Columns and options of a table, columns of a view, or every schema version. Raises NotFound."""
    name = context.name(statement.table)
    if name in context.catalog.views or name in context.virtual:
        schema = context.plan(f"SELECT * FROM {sql_name(name)}").schema
        return _described_schema(schema, context.catalog.views.get(name))
    table = context.table(statement.table)
    if statement.history:
        return _history(context, context.services.engine.table_history.of(table.table_id))
    if table.kind is TableKind.STREAM:
        partition = context.transaction.state.partition(table.partition_id)
        return pa.concat_tables([_described(table), described_stream(table, partition, _age_ms(context, partition))])
    return _described(table)


def _age_ms(context: StatementContext, partition: PartitionState) -> int:
    """The time that tells which events of a stream are past their retention."""
    return context.services.engine.time.now().ageing(partition.oldest_hot_ms)


def _namespaces(context: StatementContext) -> pa.Table:
    found = sorted(context.catalog.namespaces.values(), key=lambda n: n.name)
    return _texts({"namespace": [n.name for n in found], "description": [n.description for n in found]})


def _tables(context: StatementContext, namespace: str | None) -> pa.Table:
    catalog = context.catalog
    wanted = namespace or context.namespace
    system = [name for name in sorted(context.virtual) if name.namespace == wanted]
    if not system:
        catalog.namespace(wanted)
    names = system or list(catalog.names_in(wanted))
    return _texts(
        {
            "namespace": [name.namespace for name in names],
            "table": [name.table for name in names],
            "kind": [_kind(context, name) for name in names],
        }
    )


def _kind(context: StatementContext, name: TableName) -> str:
    catalog = context.catalog
    if name in catalog.tables:
        return str(catalog.tables[name].kind)
    return "view" if name in catalog.views else "system"


def _grants(context: StatementContext, user: str | None) -> pa.Table:
    """All that the caller may know of, or those of one user. Raises PermissionDenied, NotFound."""
    grants = context.virtual[_GRANTS]()
    if user is None:
        return grants
    if user != context.rights.principal.name:
        context.rights.require_action(Action.SEE_OTHERS)
        context.catalog.user(user)
    return grants.filter(pc.equal(grants["user"], user))


def _variable(context: StatementContext, name: str) -> pa.Table:
    """Under the name that was asked for, if it is one of PostgreSQL's for a fact or an option of ours."""
    options = session_options(context.session)
    if name in FACTS:
        return _texts({name: [FACTS[name]()]})
    option = option_name(name)
    if option not in options:
        known = ", ".join(sorted((*options, *FACTS)))
        raise NotFound(f"unknown variable '{option}': known are {known}", sqlstate="42704")
    return _texts({name if option == "schema" else option: [str(options[option])]})


def _columns(context: StatementContext, statement: Show) -> pa.Table:
    assert statement.table is not None
    return describe(context, Describe(statement.table, history=False))


def _create_statement(context: StatementContext, statement: Show) -> pa.Table:
    assert statement.table is not None
    name = context.name(statement.table)
    view = context.catalog.views.get(name)
    if view is not None:
        context.rights.require_action(Action.SEE_EVERYTHING)
        sql = create_view_sql(view)
    else:
        sql = create_table_sql(context.table(statement.table))
    return _texts({"table": [str(name)], "create_statement": [sql]})


def _described(table: TableDef) -> pa.Table:
    columns = table.columns
    return _texts(
        {
            "column": [c.name for c in columns],
            "type": [c.sql_type for c in columns],
            "nullable": ["YES" if c.nullable else "NO" for c in columns],
            "default": [c.default_shown for c in columns],
            "key": [_key_place(table, c) for c in columns],
            "comment": [c.comment for c in columns],
        }
    )


def _described_schema(schema: pa.Schema, view: ViewDef | None) -> pa.Table:
    nothing: list[str | None] = [None] * len(schema)
    return _texts(
        {
            "column": schema.names,
            "type": [sql_type_name(field.type) for field in schema],
            "nullable": ["YES" if field.nullable else "NO" for field in schema],
            "default": nothing,
            "key": nothing,
            "comment": [view.comment_of(column) if view is not None else "" for column in schema.names],
        }
    )


def _history(context: StatementContext, versions: Sequence[TableDef]) -> pa.Table:
    steps = list(operations(versions))
    return pa.table(
        {
            "version": pa.array([t.version for t in versions], pa.int32()),
            "changed": pa.array([ms_of(t.changed_seq) for t in versions], _MS),
            "changed_by": pa.array([author_of(t, context.rights) for t in versions], pa.string()),
            "operation": pa.array([operation for _, operation in steps], pa.string()),
            "name": pa.array([str(t.name) for t in versions], pa.string()),
            "create_statement": pa.array([create_table_sql(_known(context, t)) for t in versions], pa.string()),
        }
    )


def _known(context: StatementContext, version: TableDef) -> TableDef:
    """Without the foreign keys to what the caller may not know of."""
    if context.rights.may_do(Action.SEE_EVERYTHING):
        return version
    return only_known_references(version, context.catalog.tables)


def _stats(table: TableDef, partition: PartitionState) -> pa.Table:
    facts = {
        "rows": partition.rows,
        "hot_rows": partition.hot_rows,
        "hot_bytes": partition.hot_bytes,
        "hot_batches": len(partition.hot),
        "cold_rows": sum(f.rows for f in partition.cold),
        "cold_bytes": sum(f.bytes for f in partition.cold),
        "cold_files": len(partition.cold),
        "deleted_versions": len(partition.deletes),
        "schema_version": table.version,
    }
    return pa.table(
        {"statistic": pa.array(list(facts), pa.string()), "value": pa.array(list(facts.values()), pa.int64())}
    )


def _key_place(table: TableDef, column: Column) -> str | None:
    if column.name not in table.primary_key:
        return None
    return f"primary key {table.primary_key.index(column.name) + 1}"


def _texts(columns: Mapping[str, Sequence[str | None]]) -> pa.Table:
    return pa.table({name: pa.array(list(values), pa.string()) for name, values in columns.items()})
