"""Scrub compares everything on disk with its checksums, before a query meets the damage.

  1. every live cold file of the tables asked for is read whole and compared with its checksum
  2. for a whole database, every entry of the row store is read too, so that RocksDB compares its checksums
It changes nothing. A damaged file is refused by queries from then on, as it would have been at its next first read.
What the kernel still has in memory is compared as it is there: damage below that shows at a later scrub.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.catalog.partition_ids import is_owned
from storage.catalog.schema import TableDef, TableKind
from storage.errors import Cancelled, Corruption
from storage.rowstore.startup_check import read_through
from storage.state.state import ColdFile, DatabaseState

if TYPE_CHECKING:
    from storage.engine import Engine


@dataclass(frozen=True, slots=True)
class Damage:
    """`table`: full name, or "row store"; `file`: its name alone."""

    table: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScrubResult:
    """files, bytes: of the cold files that were read, damaged ones too."""

    files: int
    bytes: int
    damaged: tuple[Damage, ...]


def scrub(
    engine: Engine,
    table_ids: Collection[int] | None,
    cancelled: Callable[[], bool],
    report: Callable[[float], None],
) -> ScrubResult:
    """table_ids: None for all tables and the row store; report: share done, 0..1. Raises Cancelled."""
    damaged: list[Damage] = []
    with engine.snapshot() as snapshot:
        state = snapshot.state
        chosen = [t for t in state.catalog.tables.values() if table_ids is None or t.table_id in table_ids]
        files = [(table, id_, file) for table in chosen for id_, file in _files(engine, state, table)]
        bytes_all = sum(file.bytes for _, _, file in files)
        bytes_done = 0
        for table, partition_id, file in files:
            _check(cancelled)
            try:
                engine.file_stores.of(file).verify(file.path, file.checksum)
            except Corruption as error:
                # A snapshot holds no files of users' partitions: it may have been replaced by now.
                if not is_owned(partition_id) or engine.user_partitions.is_live(partition_id, file.file_id):
                    damaged.append(Damage(str(table.name), Path(file.path).name, error.message))
            bytes_done += file.bytes
            report(bytes_done / max(bytes_all, 1))
    if table_ids is None:
        damaged += _row_store(engine, cancelled)
    return ScrubResult(len(files), bytes_all, tuple(damaged))


def _files(engine: Engine, state: DatabaseState, table: TableDef) -> Iterable[tuple[int, ColdFile]]:
    """(partition, file) of a table."""
    if table.kind is TableKind.USER:
        return engine.user_partitions.files(table.table_id)
    return [(table.partition_id, file) for file in state.partition(table.partition_id).cold]


def _row_store(engine: Engine, cancelled: Callable[[], bool]) -> list[Damage]:
    try:
        read_through(engine.row_store, pause=lambda: _check(cancelled))
    except Corruption as error:
        return [Damage("row store", "rows/", error.message)]
    return []


def _check(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("the scrub was cancelled; it changes nothing")
