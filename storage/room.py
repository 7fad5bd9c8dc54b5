"""Whether there is room in memory for rows: those that can be flushed and events, which can't, have a limit each."""

from __future__ import annotations

from storage.schema import TableKind
from storage.settings import StorageSettings
from storage.state import DatabaseState


def full_of(state: DatabaseState, settings: StorageSettings, kind: TableKind) -> str | None:
    """Why a table of this kind can take no more rows for now; None when it can."""
    hot_bytes = state.hot_bytes
    if hot_bytes < min(settings.hot_bytes_max, settings.stream_bytes_max):
        return None
    stream_bytes = state.stream_bytes
    if kind is TableKind.STREAM:
        if stream_bytes < settings.stream_bytes_max:
            return None
        return (
            "the events of all stream tables fill their limit (storage.stream_bytes_max); set a shorter retention or a "
            "smaller max_buffer for the largest of them (system.tables has hot_bytes), or try again later"
        )
    if hot_bytes - stream_bytes < settings.hot_bytes_max:
        return None
    return "hot rows fill their limit (storage.hot_bytes_max) and flushing can't keep up; try again later"
