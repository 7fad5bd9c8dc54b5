"""System tables of the server itself: its settings and its counters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from flight_server.sql.system.sources import BIG, TEXT, Sources, SystemTable, columns
from flight_server.sql.system.stats import figures_of
from storage.state.state import DatabaseState


def _settings(sources: Sources, _: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for name, value in sorted(sources.settings.items()):
        yield name, str(value)


def _stats(sources: Sources, state: DatabaseState, _: Rights) -> Iterable[tuple[Any, ...]]:
    """What the metrics page tells, but for durations."""
    for figure in figures_of(sources, state):
        yield figure.full_name, figure.value


TABLES = (
    SystemTable("settings", columns(name=TEXT, value=TEXT), _settings, Action.SEE_SERVER),
    SystemTable("stats", columns(statistic=TEXT, value=BIG), _stats, Action.SEE_FIGURES),
)
