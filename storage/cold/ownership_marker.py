"""The ownership marker in a storage's place tells which database owns it, and which server holds it.

The sweep removes what no manifest names. So it must never look where another database, or somebody's own files, lie:
a storage is written to and swept only while the marker in it holds the storage's own claim, a random text from the
catalog. The first file that is written brings the marker; where one with another claim is, nothing is touched.

Two servers may have the same claim: one of them runs on a copy of the other's data directory. Each start writes a text
of its own into the marker, and each write and sweep looks first. So whoever came first finds that somebody took over,
and stops: its rows stay hot, and it removes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from storage.errors import StorageUnavailable

MARKER: Final = "frostline-storage.json"


class Marker(msgspec.Struct, frozen=True):
    """What the marker holds. server: one life of one server"""

    storage: str
    claim: str
    server: str
    format: int = 1


def new_claim() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class MarkerPlace:
    """Where the marker lies.

    read:    what is there, None without one
    write:   with new=True False when somebody else was first, else in place of what is there
    name:    for errors
    """

    read: Callable[[], bytes | None]
    write: Callable[[bytes, bool], bool]
    name: str


class Ownership:
    """One storage's claim on its place. Every method raises StorageUnavailable when it can't be reached."""

    def __init__(self, marker: Marker, place: MarkerPlace) -> None:
        self._marker = marker
        self._place = place
        self._is_taken = False

    def take(self) -> None:
        """The place is ours from now on. Raises StorageUnavailable when it is another's, or became so."""
        found = self._place.read()
        if found is None and not self._place.write(msgspec.json.encode(self._marker), True):
            found = self._place.read()
        if found is not None:
            self._take_from(found)
        self._is_taken = True

    def holds(self) -> bool:
        """Whether there is anything of ours. Raises as `take`, but for a place that has another's."""
        found = self._place.read()
        if found is None or not self._matches(found):
            return False
        self.take()
        return True

    def forget(self) -> None:
        """The marker may be another one by now."""
        self._is_taken = False

    def _take_from(self, found: bytes) -> None:
        if not self._matches(found):
            raise StorageUnavailable(
                f"storage '{self._marker.storage}' can't be used: another database keeps its files in "
                f"{self._place.name} (its {MARKER} says so); give the storage a place of its own"
            )
        if msgspec.json.decode(found, type=Marker).server == self._marker.server:
            return
        if self._is_taken:
            raise StorageUnavailable(
                f"storage '{self._marker.storage}' was taken over by another server, which has a copy of this data "
                "directory; stop one of the two, then start the other one anew"
            )
        self._place.write(msgspec.json.encode(self._marker), False)

    def _matches(self, found: bytes) -> bool:
        try:
            return msgspec.json.decode(found, type=Marker).claim == self._marker.claim
        except msgspec.DecodeError:
            return False
