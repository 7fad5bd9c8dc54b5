"""An open transaction that tells whether it was rolled back."""

from __future__ import annotations


class Transaction:
    """One that is open."""

    def __init__(self, id_: bytes) -> None:
        self.id = id_
        self.rolled_back = False

    def ends_idle(self, oldest_seconds: float) -> bool:
        return False

    def rollback(self) -> None:
        self.rolled_back = True
