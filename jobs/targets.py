"""What a job works on: the name is for people, the table id in the parameters is what it means for good."""

from __future__ import annotations

from typing import Final

from jobs.ledger import JobRecord
from storage.errors import NotFound
from storage.schema import TableDef
from storage.state import DatabaseState

DATABASE: Final = "database"
_TABLE_ID: Final = "table_id"


def table_parameters(table: TableDef) -> dict[str, str]:
    """Parameters that `table_of` finds the table by, whatever it is called by then."""
    return {_TABLE_ID: str(table.table_id)}


def table_of(state: DatabaseState, record: JobRecord) -> TableDef:
    """The job's table as it is now. Raises NotFound when it was dropped."""
    table_id = int(record.parameters[_TABLE_ID])
    for table in state.catalog.tables.values():
        if table.table_id == table_id:
            return table
    raise NotFound(f"table '{record.target}' does not exist any more")
