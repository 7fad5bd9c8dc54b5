"""System tables of what is defined: namespaces, tables, columns, and how tables came to be what they are."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import pyarrow as pa

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from flight_server.sql.show.column_stats import column_stats
from flight_server.sql.show.create_sql import create_table_sql, create_view_sql
from flight_server.sql.show.definition_history import author_of, operations
from flight_server.sql.system.sources import BIG, BOOL, INT, MS, TEXT, Sources, SystemTable, columns
from storage.catalog.references import only_known_references
from storage.catalog.schema import TableDef
from storage.catalog.users import Privilege
from storage.seq import ms_of
from storage.state.state import DatabaseState
from storage.state.stream_retention import visible


def _namespaces(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for namespace in state.catalog.namespaces.values():
        tables = sum(1 for _name_ in state.catalog.names_in(namespace.name))
        yield namespace.name, namespace.description, tables, namespace.created_ms


def _tables(sources: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        partition = state.partition(table.partition_id)
        rows = visible(table, partition, sources.engine.time.now().ageing(partition.oldest_hot_ms)).rows
        cold_bytes = sum(file.bytes for file in partition.cold)
        shown = list(table.options_shown.items())
        yield (
            *(table.name.namespace, table.name.table, str(table.kind), table.version, rows),
            *(partition.hot_rows, partition.hot_bytes, len(partition.cold), cold_bytes, shown),
            *(table.comment, table.created_ms, create_table_sql(table)),
        )
    for view in state.catalog.views.values():
        yield (
            *(view.name.namespace, view.name.table, "view", None, None, None, None, None, None, []),
            *(view.comment, view.created_ms, create_view_sql(view) if view.sql else None),
        )


def _columns(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for position, column in enumerate(table.columns, start=1):
            key = table.primary_key.index(column.name) + 1 if column.name in table.primary_key else None
            yield (
                *(table.name.namespace, table.name.table, column.name, position, column.sql_type, str(column.type)),
                *(column.nullable, column.default_shown, key, column.comment),
            )


def _history(sources: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    """Every definition of tables that the caller knows of; the last ones of dropped tables for who sees everything."""
    history = sources.engine.table_history
    versions, dropped = history.every(), history.dropped()
    sees_all = who.may_do(Action.SEE_EVERYTHING)
    known = {table.table_id for table in state.catalog.tables.values()}
    for table_id, found in groupby(versions, key=lambda table: table.table_id):
        if table_id in known:
            for version, operation in operations(list(found)):
                known_version = version if sees_all else only_known_references(version, state.catalog.tables)
                yield _history_row(known_version, operation, who)
    if sees_all:
        yield from (_history_row(table, "DROP TABLE", who) for table in dropped)


def _history_row(table: TableDef, operation: str, who: Rights) -> tuple[Any, ...]:
    return (
        *(table.name.namespace, table.name.table, table.table_id, table.version, ms_of(table.changed_seq)),
        *(author_of(table, who), operation, create_table_sql(table)),
    )


def _column_stats(_: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    """Of tables that the caller may read: bounds are values."""
    for table in state.catalog.tables.values():
        if not who.may(Privilege.SELECT, table.name, state.catalog):
            continue
        files = state.partition(table.partition_id).cold
        for column in table.columns:
            stats = column_stats(column, files)
            yield (
                *(table.name.namespace, table.name.table, column.name, len(files), stats.rows, stats.nulls),
                *(stats.low, stats.high, stats.bytes),
            )


TABLES = (
    SystemTable("namespaces", columns(namespace=TEXT, description=TEXT, tables=BIG, created=MS), _namespaces),
    SystemTable(
        "tables",
        columns(
            namespace=TEXT,
            table=TEXT,
            kind=TEXT,
            schema_version=INT,
            rows=BIG,
            hot_rows=BIG,
            hot_bytes=BIG,
            cold_files=BIG,
            cold_bytes=BIG,
            options=pa.map_(TEXT, TEXT),
            comment=TEXT,
            created=MS,
            definition=TEXT,
        ),
        _tables,
    ),
    SystemTable(
        "columns",
        columns(
            namespace=TEXT,
            table=TEXT,
            column=TEXT,
            position=INT,
            type=TEXT,
            arrow_type=TEXT,
            nullable=BOOL,
            default=TEXT,
            key_position=INT,
            comment=TEXT,
        ),
        _columns,
    ),
    SystemTable(
        "table_history",
        columns(
            namespace=TEXT,
            table=TEXT,
            table_id=BIG,
            schema_version=INT,
            changed=MS,
            changed_by=TEXT,
            operation=TEXT,
            definition=TEXT,
        ),
        _history,
    ),
    SystemTable(
        "column_stats",
        columns(
            namespace=TEXT,
            table=TEXT,
            column=TEXT,
            cold_files=BIG,
            rows=BIG,
            nulls=BIG,
            min=TEXT,
            max=TEXT,
            bytes=BIG,
        ),
        _column_stats,
    ),
)
