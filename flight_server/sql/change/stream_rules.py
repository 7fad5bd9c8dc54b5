"""Stream rules say what may be done to the rows of a stream table: events are put in, and leave by themselves."""

from __future__ import annotations

from flight_server.parser.statements.changes import DataChange, Delete, Insert, Merge, Truncate, Update
from storage.catalog.schema import TableDef, TableKind
from storage.errors import NotSupported


def check_change(table: TableDef, change: DataChange) -> None:
    """Raises NotSupported for all but a plain INSERT into a stream; tables of other kinds take every change."""
    found = _refused(change) if table.kind is TableKind.STREAM else None
    if found is not None:
        what, instead = found
        raise NotSupported(f"{what} is not supported for stream tables ('{table.name}' is one): {instead}")


def _refused(change: DataChange) -> tuple[str, str] | None:
    match change:
        case Insert(on_conflict=None):
            return None
        case Insert():
            return "ON CONFLICT", "events have no key to conflict on; use a plain INSERT"
        case Update():
            return "UPDATE", "put a new event in instead"
        case Delete():
            return "DELETE", "events leave by their retention and max_buffer"
        case Merge():
            return "MERGE", "use INSERT INTO .. SELECT"
        case Truncate():
            return "TRUNCATE", "use CREATE OR REPLACE STREAM TABLE to begin anew"
