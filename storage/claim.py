"""The marker in a storage's place: whose it is.

The sweep removes what no manifest names. So it must never look where another database, or somebody's own files, lie:
a storage is written to and swept only while the marker in it holds the storage's own claim, a random text from the
catalog. The first file that is written brings the marker; where one with another claim is, nothing is touched.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from storage.errors import StorageUnavailable

MARKER: Final = "frostline-storage.json"


class Marker(msgspec.Struct, frozen=True):
    """What the marker holds."""

    storage: str
    claim: str
    format: int = 1


def new_claim() -> str:
    return secrets.token_hex(16)


class Claim:
    """One storage's claim on its place. Looked at once in the life of the process."""

    def __init__(
        self, marker: Marker, read: Callable[[], bytes | None], write_new: Callable[[bytes], bool], where: str
    ) -> None:
        """read: the marker there, None without one; write_new: False when somebody else was first; where: for errors"""
        self._marker = marker
        self._read = read
        self._write_new = write_new
        self._where = where
        self._is_ours = False

    def take(self) -> None:
        """The place is ours from now on. Raises StorageUnavailable when it is another's."""
        if self._is_ours:
            return
        found = self._read()
        if found is None and not self._write_new(msgspec.json.encode(self._marker)):
            found = self._read()
        if found is not None and not self._matches(found):
            raise StorageUnavailable(
                f"storage '{self._marker.storage}' can't be used: another database keeps its files in {self._where} "
                f"(its {MARKER} says so); give the storage a place of its own"
            )
        self._is_ours = True

    def holds(self) -> bool:
        """Whether the place is ours already; takes nothing."""
        if not self._is_ours:
            found = self._read()
            self._is_ours = found is not None and self._matches(found)
        return self._is_ours

    def forget(self) -> None:
        """The marker may be another one by now."""
        self._is_ours = False

    def _matches(self, found: bytes) -> bool:
        try:
            return msgspec.json.decode(found, type=Marker).claim == self._marker.claim
        except msgspec.DecodeError:
            return False
