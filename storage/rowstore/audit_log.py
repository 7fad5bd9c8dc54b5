"""The audit log on disk: who changed which definition, user or right.

    key    `_seq` of the edit (8) + place in it (4), unsigned big-endian: the order of events
    value  JSON `AuditRecord`

A definition's record is part of its edit, so one is never there without the other. Old records go by age and by
number, whichever limit is met first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from storage.catalog.audit_record import AuditRecord
from storage.clock import DAY_MS
from storage.database_time import Now
from storage.errors import Corruption
from storage.rowstore.keys import AUDIT
from storage.rowstore.row_store import Operation, Put, RemoveRange, RowStore
from storage.seq import ms_of

_KEY: Final = struct.Struct(">QI")


def audit_operations(records: tuple[AuditRecord, ...], seq: int, now_ms: int) -> list[Operation]:
    """What writes `records` under the edit `seq`."""
    return [
        Put(AUDIT, _KEY.pack(seq, place), msgspec.json.encode(msgspec.structs.replace(record, at_ms=now_ms)))
        for place, record in enumerate(records)
    ]


class AuditLog:
    """The records that are there. Safe from any thread."""

    def __init__(self, store: RowStore) -> None:
        self._store = store

    def records(self) -> Iterator[AuditRecord]:
        """Oldest first. Raises Corruption."""
        for _, value in self._store.scan(AUDIT):
            try:
                yield msgspec.json.decode(value, type=AuditRecord)
            except msgspec.DecodeError as error:
                raise Corruption(f"a record of the audit log can't be read: {error}") from None


def trim_operations(store: RowStore, now: Now, kept_days: int, records_max: int) -> list[Operation]:
    """What removes records older than `kept_days`, and the oldest past `records_max`."""
    kept_ms = kept_days * DAY_MS
    entries = [(key, ms_of(_KEY.unpack(key)[0])) for key, _ in store.scan(AUDIT)]
    too_many = max(0, len(entries) - records_max)
    young = (i for i, (_, at_ms) in enumerate(entries) if i >= too_many and at_ms >= now.ageing(at_ms) - kept_ms)
    first_kept = next(young, len(entries))
    if first_kept == 0:
        return []
    return [RemoveRange(AUDIT, entries[0][0], entries[first_kept - 1][0] + b"\x00")]
