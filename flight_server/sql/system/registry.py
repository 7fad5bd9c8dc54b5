"""The registry finds system tables by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from flight_server.access.rights import Rights
from flight_server.sql.system import definitions, files, people, server, work
from flight_server.sql.system.sources import Sources, SystemTable
from flight_server.sql.system.virtual_rows import table_of
from storage.catalog.names import TableName
from storage.state.state import DatabaseState

SCHEMA: Final = "system"
_ROOMS = (definitions, files, people, work, server)
_TABLES: Final = {TableName(SCHEMA, table.name): table for room in _ROOMS for table in room.TABLES}


def system_tables(sources: Sources, state: DatabaseState, who: Rights) -> dict[TableName, Callable[[], pa.Table]]:
    """Every system table that the caller may know of, to be called when named. `state`: with their catalog."""
    hidden = hidden_tables(who)
    return {
        name: partial(_computed, table, sources, state, who) for name, table in _TABLES.items() if name not in hidden
    }


def hidden_tables(who: Rights) -> frozenset[TableName]:
    """System tables that do not exist for the caller."""
    return frozenset(n for n, table in _TABLES.items() if table.action is not None and not who.may_do(table.action))


def system_schemas() -> Mapping[TableName, pa.Schema]:
    """For metadata commands."""
    return MappingProxyType({name: table.schema for name, table in _TABLES.items()})


def _computed(table: SystemTable, sources: Sources, state: DatabaseState, who: Rights) -> pa.Table:
    return table_of(table.schema, table.rows(sources, state, who))
