"""Lists all tables that are computed, and gives those that a caller may know of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from flight_server.access.rights import Rights
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.system.information_schema import information_schema, information_schemas
from flight_server.sql.system.registry import hidden_tables, system_schemas, system_tables
from flight_server.sql.system.sources import Sources
from storage.catalog.names import TableName, quoted

RELATIONS: Final[Mapping[TableName, pa.Schema]] = MappingProxyType({**system_schemas(), **information_schemas()})
"""All tables that are computed, with their schemas."""


def relations(rights: Rights) -> Mapping[TableName, pa.Schema]:
    """Those of RELATIONS that the caller may know of."""
    return _relations_but(hidden_tables(rights))


@lru_cache
def _relations_but(hidden: frozenset[TableName]) -> Mapping[TableName, pa.Schema]:
    """Made once for each kind of caller: every statement asks."""
    return MappingProxyType({name: schema for name, schema in RELATIONS.items() if name not in hidden})


class VirtualTables(Mapping[TableName, Callable[[], pa.Table]]):
    """Those that the context's caller may know of, each computed when it is called. Nothing is prepared for a statement
    that names none."""

    def __init__(self, sources: Sources, context: StatementContext) -> None:
        self._sources = sources
        self._context = context

    def __contains__(self, name: object) -> bool:
        return name in relations(self._context.rights)

    def __iter__(self) -> Iterator[TableName]:
        return iter(relations(self._context.rights))

    def __len__(self) -> int:
        return len(relations(self._context.rights))

    def __getitem__(self, name: TableName) -> Callable[[], pa.Table]:
        return self._computed[name]

    @cached_property
    def _computed(self) -> Mapping[TableName, Callable[[], pa.Table]]:
        context, rights = self._context, self._context.rights
        state = replace(context.transaction.state, catalog=context.catalog.with_each_table(context.own))
        tables = system_tables(self._sources, state, rights)
        return tables | information_schema(state.catalog, relations(rights), partial(schema_of, context))


def schema_of(context: StatementContext, name: TableName) -> pa.Schema:
    """Of a table or view, as `SELECT *` shows it. Raises NotFound."""
    return context.plan(f"SELECT * FROM {quoted(name.namespace)}.{quoted(name.table)}").schema
