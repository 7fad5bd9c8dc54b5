"""System tables of what is defined: namespaces, tables, columns, and how tables came to be what they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from flight_server.access.rights import Rights
from flight_server.sql.show import create_table_sql
from flight_server.sql.system.sources import BIG, BOOL, INT, MS, TEXT, Sources, SystemTable, columns
from storage.schema import TableDef
from storage.state import SEQ_TIME_SHIFT, DatabaseState


def _namespaces(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for namespace in state.catalog.namespaces.values():
        tables = sum(1 for _name_ in state.catalog.names_in(namespace.name))
        yield namespace.name, namespace.description, tables, namespace.created_ms


def _tables(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        partition = state.partition(table.partition_id)
        cold_bytes = sum(file.bytes for file in partition.cold)
        shown = list(table.options.shown().items())
        yield (
            *(table.name.namespace, table.name.table, str(table.kind), table.version, partition.rows),
            *(partition.hot_rows, partition.hot_bytes, len(partition.cold), cold_bytes, shown),
            *(table.comment, table.created_ms, create_table_sql(table)),
        )
    for view in state.catalog.views.values():
        yield (
            *(view.name.namespace, view.name.table, "view", None, None, None, None, None, None, []),
            *(view.comment, view.created_ms, view.sql or None),
        )


def _columns(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for position, column in enumerate(table.columns, start=1):
            key = table.primary_key.index(column.name) + 1 if column.name in table.primary_key else None
            yield (
                *(table.name.namespace, table.name.table, column.name, position, column.sql_type, str(column.type)),
                *(column.nullable, column.default_sql, key, column.comment),
            )


def _history(sources: Sources, state: DatabaseState, _: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for at in sources.engine.table_versions(table.table_id):
            yield _history_row(at)


def _history_row(table: TableDef) -> tuple[Any, ...]:
    changed_ms = table.changed_seq >> SEQ_TIME_SHIFT
    return table.name.namespace, table.name.table, table.version, changed_ms, create_table_sql(table)


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
        "table_history", columns(namespace=TEXT, table=TEXT, schema_version=INT, changed=MS, definition=TEXT), _history
    ),
)
