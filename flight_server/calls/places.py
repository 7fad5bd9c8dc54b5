"""CallPlaces limits calls: so many for all, so many for one user, and some for administrators alone.

Each call holds one, from its first message on or, where gRPC waits for that in a thread, before.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

from flight_server.access.principal import Principal
from storage.catalog.users import Role
from storage.errors import TOO_MANY, LimitExceeded

_RESERVED_SHARE_MAX: Final = 4  # a quarter of all, however few there are
_ADMINISTRATORS: Final = frozenset((Role.SYSTEM, Role.DBA))


class CallPlaces:
    """Safe from any thread."""

    def __init__(self, places_max: int, per_user_max: int, reserved: int) -> None:
        self._max = places_max
        self._per_user_max = per_user_max
        self._reserved = min(reserved, places_max // _RESERVED_SHARE_MAX)
        self._lock = threading.Lock()
        self._of_user: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<CallPlaces [{len(self)} of {self._max} taken]>"

    def __len__(self) -> int:
        return self._of_user.total()

    def take(self, principal: Principal) -> Place:
        """Raises LimitExceeded when the user, or all together, have as many as they may."""
        free_for_all = self._max - (0 if principal.role in _ADMINISTRATORS else self._reserved)
        user = principal.name
        with self._lock:
            if self._of_user.total() >= free_for_all:
                raise LimitExceeded(self._full(free_for_all), sqlstate=TOO_MANY)
            if self._of_user[user] >= self._per_user_max:
                raise LimitExceeded(
                    f"{self._per_user_max} calls of user '{user}' are running, which is the limit "
                    "(server.rpc_per_user_max); try again later",
                    sqlstate=TOO_MANY,
                )
            self._of_user[user] += 1
        return Place(self, user)

    def _full(self, free_for_all: int) -> str:
        kept = f", with {self._reserved} more for administrators" if free_for_all < self._max and self._reserved else ""
        return (
            f"{free_for_all} calls are running, which is the limit (server.rpc_concurrent_max{kept}); try again later"
        )

    def give_back(self, user: str) -> None:
        with self._lock:
            self._of_user[user] -= 1
            if not self._of_user[user]:
                del self._of_user[user]


class Place:
    """One that is taken."""

    def __init__(self, places: CallPlaces, user: str) -> None:
        self._places: CallPlaces | None = places
        self._user = user
        self._lock = threading.Lock()

    def leave(self) -> None:
        """Give it back. Safe to repeat."""
        with self._lock:
            places, self._places = self._places, None
        if places is not None:
            places.give_back(self._user)
