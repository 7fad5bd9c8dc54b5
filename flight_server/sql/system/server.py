"""System tables of the server itself: its settings and its counters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flight_server.access.grants import Deed
from flight_server.access.rights import Rights
from flight_server.sql.system.sources import BIG, TEXT, Sources, SystemTable, columns
from storage.state import DatabaseState


def _settings(sources: Sources, _: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for name, value in sorted(sources.settings.items()):
        yield name, str(value)


def _stats(sources: Sources, state: DatabaseState, _: Rights) -> Iterable[tuple[Any, ...]]:
    partitions = state.partitions.values()
    yield "hot_rows", sum(p.hot_rows for p in partitions)
    yield "hot_bytes", sum(p.hot_bytes for p in partitions)
    yield "cold_files", sum(len(p.cold) for p in partitions)
    yield "cold_bytes", sum(f.bytes for p in partitions for f in p.cold)
    yield "deleted_versions", sum(len(p.deletes) for p in partitions)
    yield "snapshots_open", sources.engine.snapshots.count()
    yield "last_seq", state.last_seq


TABLES = (
    SystemTable("settings", columns(name=TEXT, value=TEXT), _settings, Deed.SEE_SERVER),
    SystemTable("stats", columns(statistic=TEXT, value=BIG), _stats, Deed.SEE_FIGURES),
)
