"""Statements about streams as values, see `statements`."""

from __future__ import annotations

from dataclasses import dataclass

from flight_server.sql.table_ref import TableRef


@dataclass(frozen=True, slots=True)
class EvictTable:
    """`EVICT TABLE t`"""

    table: TableRef
