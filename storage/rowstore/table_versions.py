"""TableHistory reads table versions on disk: every version of existing tables, the last one of dropped tables.

meta `H` + table id . version   each definition, with the `_seq` and the user of the change
meta `X` + table id             a dropped table's last one, with those of the drop; kept as long as the audit log
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableDef, decode_record, encode_record
from storage.clock import DAY_MS
from storage.database_time import Now
from storage.errors import Corruption
from storage.rowstore.keys import META, MetaKind, meta_key, table_version_name
from storage.rowstore.row_store import Operation, Put, Remove, RowStore
from storage.seq import ms_of

_END: Final = b"\xff"


def stamped(old: Catalog, new: Catalog, seq: int, now_ms: int, audit: tuple[AuditRecord, ...]) -> Catalog:
    """New and changed tables get the time of this commit, and who changed them."""
    for table in list(new.tables.values()):
        if old.tables.get(table.name) is not table:
            before = old.tables_by_id.get(table.table_id, table)
            who = _author(audit, str(table.name), str(before.name))
            new = new.with_table(
                msgspec.structs.replace(table, changed_seq=seq, created_ms=table.created_ms or now_ms, changed_by=who)
            )
    return new


def dropped_tables(old: Catalog, new: Catalog, seq: int, audit: tuple[AuditRecord, ...]) -> Iterator[Operation]:
    """What remembers the tables that `new` does not have."""
    kept = new.tables_by_id
    for table in old.tables.values():
        if table.table_id not in kept:
            who = _author(audit, str(table.name), table.name.namespace)
            last = msgspec.structs.replace(table, version=table.version + 1, changed_seq=seq, changed_by=who)
            yield Put(META, _dropped_key(table.table_id), encode_record(last))


class TableHistory:
    """Definitions as they were. Safe from any thread."""

    def __init__(self, store: RowStore) -> None:
        self._store = store

    def of(self, table_id: int) -> list[TableDef]:
        """Every definition of one table, oldest first. Raises Corruption."""
        start = meta_key(MetaKind.TABLE_VERSION, table_version_name(table_id, 0))
        return _read(self._store, start, meta_key(MetaKind.TABLE_VERSION, table_version_name(table_id + 1, 0)))

    def every(self) -> list[TableDef]:
        """Every definition of the tables that are there, by table and version. Raises Corruption."""
        return _read(self._store, MetaKind.TABLE_VERSION.value, MetaKind.TABLE_VERSION.value + _END)

    def dropped(self) -> list[TableDef]:
        """Last definitions of dropped tables; `changed_seq` and `changed_by` are those of the drop. Raises
        Corruption."""
        return _read(self._store, MetaKind.DROPPED_TABLE.value, MetaKind.DROPPED_TABLE.value + _END)


def trim_dropped(store: RowStore, now: Now, kept_days: int) -> list[Operation]:
    """What forgets tables that were dropped longer ago."""
    kept_ms = kept_days * DAY_MS
    dropped = ((table, ms_of(table.changed_seq)) for table in TableHistory(store).dropped())
    old = (table for table, dropped_ms in dropped if dropped_ms < now.ageing(dropped_ms) - kept_ms)
    return [Remove(META, _dropped_key(table.table_id)) for table in old]


def _dropped_key(table_id: int) -> bytes:
    return meta_key(MetaKind.DROPPED_TABLE, f"{table_id:020d}")


def _read(store: RowStore, start: bytes, end: bytes) -> list[TableDef]:
    try:
        return [decode_record(value, TableDef) for _, value in store.scan(META, start, end)]
    except (msgspec.DecodeError, ValueError) as error:
        raise Corruption(f"a table's history can't be read: {error}") from None


def _author(audit: Iterable[AuditRecord], *objects: str) -> str:
    """Who did it, by the audit log's word on one of the objects; "" when it has none."""
    records = list(audit)
    named = [record for record in records if record.object in objects]
    return (named or records)[-1].user if records else ""
