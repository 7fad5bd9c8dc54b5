"""Statements that ask for jobs or end them, as values."""

from __future__ import annotations

from dataclasses import dataclass

from flight_server.parser.statements.backups import BackupStatement
from flight_server.parser.statements.table_ref import TableRef


@dataclass(frozen=True, slots=True)
class FlushTable:
    """FLUSH TABLE t, or FLUSH ALL [IN namespace] when `table` is None."""

    table: TableRef | None
    in_namespace: str | None = None


@dataclass(frozen=True, slots=True)
class CompactTable:
    table: TableRef


@dataclass(frozen=True, slots=True)
class Scrub:
    """SCRUB TABLE t, or SCRUB ALL when `table` is None."""

    table: TableRef | None


@dataclass(frozen=True, slots=True)
class KillJob:
    job_id: str


@dataclass(frozen=True, slots=True)
class WaitForJob:
    job_id: str


@dataclass(frozen=True, slots=True)
class EvictTable:
    """`EVICT TABLE t`"""

    table: TableRef


JobStatement = FlushTable | CompactTable | EvictTable | Scrub | KillJob | WaitForJob | BackupStatement
