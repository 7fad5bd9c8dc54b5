"""TemporaryOverlay is a transaction's view of its session's temporary tables, and what it changes in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableDef
from storage.errors import Conflict, NotSupported
from storage.state.edits import RowChange
from storage.state.state import DatabaseState
from storage.transactions.row_stage import check_temporary_bytes
from storage.transactions.services import TransactionServices
from storage.transactions.temporary_tables import (
    TemporaryChange,
    TemporaryState,
    TemporaryTables,
    temporary_tables,
    with_temporary,
)

_NONE: Final = TemporaryState()


class TemporaryOverlay:
    """Of one transaction. `tables` is None for those that have no session: jobs, tests, the server itself."""

    def __init__(self, services: TransactionServices, tables: TemporaryTables | None, user: str) -> None:
        self._services = services
        self._tables = tables
        self._user = user
        self._base = _NONE if tables is None else tables.state

    @property
    def last_seq(self) -> int:
        """The newest `_seq` in them."""
        return self._base.last_seq

    def over(self, state: DatabaseState) -> DatabaseState:
        """The snapshot with the temporary tables of the session."""
        return with_temporary(state, self._base)

    def is_changed(self, old: Catalog, new: Catalog) -> bool:
        """Whether a definition was about temporary tables, and so not about the database's."""
        changed = temporary_tables(old) != temporary_tables(new)
        if changed and self._tables is None:
            raise NotSupported("temporary tables need a session")
        return changed

    def is_dirty(self, state: DatabaseState) -> bool:
        """Whether other tables are there than at the beginning."""
        return temporary_tables(state.catalog) != self._base.tables

    def find_keys(self, table: TableDef, keys: Sequence[bytes], own: Mapping[bytes, int | None]) -> list[int | None]:
        """As the transaction sees them. Raises Conflict."""
        found = [None] * len(keys) if self._tables is None else self._tables.find(table.partition_id, keys)
        for seq in found:
            if seq is not None and seq > self._base.last_seq:
                raise Conflict(f"another statement of the session wrote the same primary key of '{table.name}' first")
        return [own.get(key, seq) for key, seq in zip(keys, found, strict=True)]

    def check_bytes(self, state: DatabaseState) -> None:
        """Raises LimitExceeded."""
        tables = temporary_tables(state.catalog).values()
        found = sum(state.partition(table.partition_id).hot_bytes for table in tables)
        check_temporary_bytes(found, self._services.settings)

    @contextmanager
    def committing(self, state: DatabaseState, changes: Sequence[RowChange]) -> Iterator[None]:
        """Let the changes take hold after the body, unless it raises. Raises Conflict, LimitExceeded, Cancelled."""
        rows = [change for change in changes if change.table.name.is_temporary]
        if self._tables is None or not (rows or self.is_dirty(state)):
            yield
            return
        change = TemporaryChange(temporary_tables(state.catalog), rows)
        now = self._services.time.now()
        with self._tables.committing(self._base, change, self._services.temporary, self._user, now):
            yield
