"""Owners numbers the owners of rows in user tables: one number each, for life.

The number is half of a partition's id. It stands for the user *record*, not for the name alone: whoever is created
under the name of a user that is gone gets another number, and so never meets the rows of the one before.

Kept in a family of its own, read one by one: the server's start and memory do not depend on how many there are.
"""

from __future__ import annotations

import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from storage.catalog.schema import Owner
from storage.errors import Corruption
from storage.rowstore.keys import OWNERS
from storage.rowstore.row_store import Operation, Put, Remove, RowStore

KEPT_MAX: Final = 10_000
_NUMBER = struct.Struct(">I")
_BY_KEY: Final = b"n"
_BY_NUMBER: Final = b"#"


class OwnerKey(msgspec.Struct, frozen=True):
    """One user record. created_ms: 0 for a user that the catalog has no record of."""

    name: str
    created_ms: int = 0

    def encoded(self) -> bytes:
        return f"{self.name}\0{self.created_ms}".encode()


class Owners:
    """Safe from any thread."""

    def __init__(self, store: RowStore, new_id: Callable[[], int]) -> None:
        self._store = store
        self._new_id = new_id
        self._kept: OrderedDict[OwnerKey, Owner] = OrderedDict()
        self._numbers: dict[int, OwnerKey] = {}  # of those kept
        self._lock = threading.Lock()  # one new number at a time
        self._keeping = threading.Lock()

    def find(self, key: OwnerKey) -> Owner | None:
        """None for one who never met a user table. Raises Corruption."""
        found = self._kept.get(key)
        if found is not None:
            return found
        entry = self._store.get(OWNERS, _BY_KEY + key.encoded())
        return None if entry is None else self._keep(key, Owner(_NUMBER.unpack(entry)[0], key.name))

    def found_or_new(self, key: OwnerKey) -> Owner:
        """With a number from now on. Raises StorageUnavailable."""
        with self._lock:
            found = self.find(key)
            if found is not None:
                return found
            number = self._new_id()
            self._store.write(owner_operations(key, number), durable=True)
            return self._keep(key, Owner(number, key.name))

    def by_number(self, number: int) -> Owner:
        """Raises as `key_of`."""
        return Owner(number, self.key_of(number).name)

    def key_of(self, number: int) -> OwnerKey:
        """Raises Corruption: a number stands in partition ids, so its owner must be known."""
        known = self._numbers.get(number)
        if known is not None:
            return known
        entry = self._store.get(OWNERS, _BY_NUMBER + _NUMBER.pack(number))
        if entry is None:
            raise Corruption(f"the owner with number {number} is not recorded")
        key = _key(entry)
        self._keep(key, Owner(number, key.name))
        return key

    def every(self) -> Iterator[tuple[OwnerKey, Owner]]:
        """By number."""
        for place, entry in self._store.scan(OWNERS, _BY_NUMBER, _BY_KEY):
            key = _key(entry)
            yield key, Owner(_NUMBER.unpack(place[1:])[0], key.name)

    def forget(self, key: OwnerKey) -> None:
        """Once none of their rows is left. Raises StorageUnavailable."""
        with self._lock:
            found = self.find(key)
            if found is None:
                return
            self._store.write(
                [
                    Remove(OWNERS, _BY_KEY + key.encoded()),
                    Remove(OWNERS, _BY_NUMBER + _NUMBER.pack(found.number)),
                ],
                durable=True,
            )
            with self._keeping:
                self._kept.pop(key, None)
                self._numbers.pop(found.number, None)

    def _keep(self, key: OwnerKey, owner: Owner) -> Owner:
        with self._keeping:
            self._kept[key] = owner
            self._numbers[owner.number] = key
            if len(self._kept) > KEPT_MAX:
                _, gone = self._kept.popitem(last=False)
                self._numbers.pop(gone.number, None)
        return owner


def owner_operations(key: OwnerKey, number: int) -> list[Operation]:
    """The writes that make the number theirs."""
    encoded, place = key.encoded(), _NUMBER.pack(number)
    return [Put(OWNERS, _BY_KEY + encoded, place), Put(OWNERS, _BY_NUMBER + place, encoded)]


def _key(entry: bytes) -> OwnerKey:
    name, _, created_ms = entry.decode().rpartition("\0")
    return OwnerKey(name, int(created_ms))
