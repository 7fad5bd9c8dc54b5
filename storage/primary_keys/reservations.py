"""Reservations enter primary keys of a bulk load, a chunk at a time, on the committer thread.

Because reservations and commits run on one thread, a key can't be taken between the look-up and the entry, and no lock
holds up other writers for longer than a chunk. Entries name the load: until it commits they mean nothing on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storage.errors import Conflict, ConstraintViolated
from storage.primary_keys.encoding import load_entries, load_entry
from storage.primary_keys.index import UNDER_WAY, KeyIndex
from storage.rowstore.keys import PK, pk_key, pk_prefix
from storage.rowstore.row_store import Operation, Put, PutEach, RowStore
from storage.state.state import PartitionState


@dataclass(frozen=True, slots=True)
class KeyReservation:
    """entries: (encoded key, ordinal of its row in the load); replaced: int64, sorted, `_seq`s being deleted."""

    table: str
    partition_id: int
    load_id: int
    entries: tuple[tuple[bytes, int], ...]
    replaced: np.ndarray


@dataclass(frozen=True, slots=True)
class UnseenReservation:
    """ordinals: int64, of the keys' rows in the load."""

    partition_id: int
    load_id: int
    keys: Sequence[bytes]
    ordinals: np.ndarray


def reserve_unseen(reservation: UnseenReservation, partition: PartitionState, store: RowStore, index: KeyIndex) -> bool:
    """Enter keys without looking them up; False, and nothing done, when somebody else has or brings rows of the
    partition.

    A row that somebody inserts from here on finds the entries. Whether the load's own keys differ is not looked at.
    """
    index.begin_load(reservation.load_id, reservation.partition_id)
    if not partition.is_empty or index.is_loading(reservation.partition_id, but=reservation.load_id):
        return False
    entries = load_entries(reservation.load_id, reservation.ordinals)
    marked = index.mark(reservation.load_id, reservation.partition_id)
    store.write([*marked, PutEach(PK, pk_prefix(reservation.partition_id), reservation.keys, entries)], durable=False)
    return True


def reserve_keys(reservation: KeyReservation, store: RowStore, index: KeyIndex) -> list[tuple[bytes, int]]:
    """Enter the free keys; return (key, ordinal) of those that replace a row of the same edit.

    Raises ConstraintViolated (a live row, or an earlier row of this load, has the key), Conflict (another load's).
    """
    index.begin_load(reservation.load_id, reservation.partition_id)
    found = index.find(reservation.partition_id, [key for key, _ in reservation.entries])
    late: list[tuple[bytes, int]] = []
    operations: list[Operation] = []
    seen: set[bytes] = set()
    for (key, ordinal), seq in zip(reservation.entries, found, strict=True):
        if key in seen or (seq is not None and not _is_replaced(seq, reservation.replaced)):
            raise _taken(reservation, key, store, under_way=seq == UNDER_WAY)
        seen.add(key)
        if seq is None:
            operations.append(Put(PK, pk_key(reservation.partition_id, key), load_entry(reservation.load_id, ordinal)))
        else:
            late.append((key, ordinal))
    # Not synced: without the load's own edit, which is, the entries mean nothing.
    store.write(
        index.mark(reservation.load_id, reservation.partition_id) + operations if operations else [], durable=False
    )
    return late


def _is_replaced(seq: int, replaced: np.ndarray) -> bool:
    if seq == UNDER_WAY or len(replaced) == 0:
        return False
    at = int(np.searchsorted(replaced, seq))
    return at < len(replaced) and int(replaced[at]) == seq


def _taken(
    reservation: KeyReservation, key: bytes, store: RowStore, *, under_way: bool
) -> ConstraintViolated | Conflict:
    entry = store.get(PK, pk_key(reservation.partition_id, key))
    own = entry is None or entry.startswith(reservation.load_id.to_bytes(8, "big"))
    if own:
        return ConstraintViolated(
            f"the load brings a primary key twice for table '{reservation.table}'; no row was stored"
        )
    if under_way:
        return Conflict(
            f"another bulk load under way brings the same primary key to table '{reservation.table}'; try again"
        )
    return ConstraintViolated(
        f"a row of the load has a primary key that already exists in table '{reservation.table}'; no row was stored"
    )
