"""Savepoints are moments of a transaction that it can go back to.

A name may be used again, and then hides the older savepoint until it is released. Each one keeps the transaction's
changes of its moment, which costs memory by their number and not by their bytes, so their count is limited.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from storage.errors import InvalidRequest, LimitExceeded
from storage.transactions.transaction import Mark

SAVEPOINTS_MAX: Final = 500  # open at once in one transaction
ID_BYTES: Final = 16


class UnknownSavepoint(InvalidRequest):
    """No savepoint of that name or id is open in the transaction."""

    sqlstate = "3B001"


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A moment under a name."""

    id: bytes
    name: str
    mark: Mark


class Savepoints:
    """Those of one transaction, oldest first. To be used under the transaction's lock."""

    def __init__(self) -> None:
        self._open: list[Savepoint] = []

    def __len__(self) -> int:
        return len(self._open)

    def add(self, name: str, mark: Mark) -> bytes:
        """Returns its id. Raises LimitExceeded."""
        if len(self._open) >= SAVEPOINTS_MAX:
            raise LimitExceeded(
                f"the transaction has {SAVEPOINTS_MAX} savepoints open, which is the limit; release some",
                sqlstate="54000",
            )
        savepoint = Savepoint(os.urandom(ID_BYTES), name, mark)
        self._open.append(savepoint)
        return savepoint.id

    def release(self, key: str | bytes) -> None:
        """Forget it and all that are younger. Raises UnknownSavepoint."""
        del self._open[self._place(key) :]

    def back_to(self, key: str | bytes) -> Mark:
        """Its moment; all that are younger are forgotten. Raises UnknownSavepoint."""
        at = self._place(key)
        del self._open[at + 1 :]
        return self._open[at].mark

    def _place(self, key: str | bytes) -> int:
        for at in range(len(self._open) - 1, -1, -1):
            if key in (self._open[at].id, self._open[at].name):
                return at
        shown = f"'{key[:64]}'" if isinstance(key, str) else "with this id"
        raise UnknownSavepoint(f"savepoint {shown} is not open in the transaction; SAVEPOINT makes one")
