"""Cookies name sessions of callers whose token names none: Basic with each call, certificates, others' tokens.

Without a cookie such a caller's connection is the session. The answer offers a cookie; once the client sends it back,
it stands for that session on every connection. It lets nobody in: who calls is proved anew each time, and a cookie
only ever names a session of that very user.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

T = TypeVar("T")
COOKIE: Final = "frostline_session"
OFFERED_MAX: Final = 1000  # to one user, that were not taken up so far
TAKEN_MAX: Final = 2000  # by one user: more than a user has sessions by default
USERS_MAX: Final = 10_000
_OURS: Final = re.compile(rf"(?:^|;)\s*{COOKIE}=\"?([0-9a-f]{{32}})\"?\s*(?:;|$)")


def new_cookie() -> str:
    return secrets.token_hex(16)


def cookie_in(headers: Mapping[str, Sequence[str | bytes]]) -> str | None:
    """The cookie that the client sent back, if it is one of ours."""
    for value in headers.get("cookie", ()):
        found = _OURS.search(value if isinstance(value, str) else value.decode("latin-1"))
        if found is not None:
            return found[1]
    return None


@dataclass(frozen=True, slots=True)
class _Known:
    """Cookies of one user, so that nobody's many make another one's forgotten."""

    offered: OrderedDict[str, str] = field(default_factory=OrderedDict)
    taken: OrderedDict[str, str] = field(default_factory=OrderedDict)


class Cookies:
    """Which session a cookie stands for. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of_user: OrderedDict[str, _Known] = OrderedDict()

    def session_of(self, user: str, peer: str, cookie: str | None, offered: str | None) -> str:
        """The session's id. A cookie that is not known any more begins one of its own."""
        connection = f"basic/{user}/{peer}"
        with self._lock:
            known = self._of_user.get(user) or _Known()
            _put(self._of_user, user, known, USERS_MAX)
            if cookie is None:
                if offered is not None:
                    _put(known.offered, offered, connection, OFFERED_MAX)
                return connection
            session_id = known.offered.pop(cookie, None) or known.taken.get(cookie) or f"cookie/{user}/{cookie}"
            _put(known.taken, cookie, session_id, TAKEN_MAX)
            return session_id


def _put(known: OrderedDict[str, T], key: str, value: T, size_max: int) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > size_max:
        known.popitem(last=False)
