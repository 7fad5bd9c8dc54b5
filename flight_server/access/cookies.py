"""Sessions by cookie, for callers whose token is no session: Basic with each call, certificates, others' tokens.

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
from typing import Final

COOKIE: Final = "frostline_session"
OFFERED_MAX: Final = 10_000  # offers that were not taken up so far
TAKEN_MAX: Final = 10_000
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


class Cookies:
    """Which session a cookie stands for. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offered: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._taken: OrderedDict[tuple[str, str], str] = OrderedDict()

    def session_of(self, user: str, peer: str, cookie: str | None, offered: str | None) -> str:
        """The session's id. A cookie that is not known any more begins one of its own."""
        connection = f"basic/{user}/{peer}"
        with self._lock:
            if cookie is None:
                if offered is not None:
                    _put(self._offered, (user, offered), connection, OFFERED_MAX)
                return connection
            key = (user, cookie)
            session_id = self._offered.pop(key, None) or self._taken.get(key) or f"cookie/{user}/{cookie}"
            _put(self._taken, key, session_id, TAKEN_MAX)
            return session_id


def _put(known: OrderedDict[tuple[str, str], str], key: tuple[str, str], session_id: str, size_max: int) -> None:
    known[key] = session_id
    known.move_to_end(key)
    if len(known) > size_max:
        known.popitem(last=False)
