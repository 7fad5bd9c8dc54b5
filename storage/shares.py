"""Shares bounds bytes held for users: a sum for each of them, and one for all."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from storage.errors import LimitExceeded


@dataclass(frozen=True, slots=True)
class ShareLimits:
    """what: who holds the bytes, as in "<what> of user 'ann' would hold .."; each limit with its setting's name."""

    what: str
    bytes_max: int
    setting: str
    per_user_bytes_max: int
    per_user_setting: str


class Shares:
    """Safe from any thread."""

    def __init__(self, limits: ShareLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._of_user: Counter[str] = Counter()
        self.bytes = 0

    def __repr__(self) -> str:
        return f"<Shares {self._limits.what} [{self.bytes} bytes of {len(self._of_user)} users]>"

    def of(self, user: str) -> int:
        with self._lock:
            return self._of_user[user]

    def exchange(self, user: str, old: int, new: int) -> None:
        """What is held for `user` changes. Raises LimitExceeded when it grows beyond a limit; then nothing changed."""
        with self._lock:
            if new > old:
                self._check(user, new - old)
            self._of_user[user] += new - old
            self.bytes += new - old
            if not self._of_user[user]:
                del self._of_user[user]

    def _check(self, user: str, more: int) -> None:
        limits = self._limits
        own, total = self._of_user[user] + more, self.bytes + more
        if own > limits.per_user_bytes_max:
            raise LimitExceeded(
                f"{limits.what} of user '{user}' would hold {own} bytes; the limit is {limits.per_user_bytes_max} "
                f"({limits.per_user_setting})",
                sqlstate="53200",
            )
        if total > limits.bytes_max:
            raise LimitExceeded(
                f"{limits.what} of all users would hold {total} bytes; the limit is {limits.bytes_max} "
                f"({limits.setting}): try again later",
                sqlstate="53200",
            )


class Share:
    """What one holder has of them."""

    def __init__(self, shares: Shares, user: str) -> None:
        self._shares = shares
        self._user = user
        self._lock = threading.Lock()
        self._closed = False
        self.bytes = 0

    def hold(self, size: int) -> None:
        """Hold so much from here on. Raises LimitExceeded. After `close` it does nothing."""
        with self._lock:
            if not self._closed and size != self.bytes:
                self._shares.exchange(self._user, self.bytes, size)
                self.bytes = size

    def close(self) -> None:
        """Hold nothing any more. Safe to repeat."""
        with self._lock:
            if self.bytes:
                self._shares.exchange(self._user, self.bytes, 0)
            self.bytes, self._closed = 0, True
