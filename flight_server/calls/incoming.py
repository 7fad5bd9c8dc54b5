"""Wait bounds how long a handler waits for its client in the middle of an upload.

pyarrow's reads wait for the client without limit, and nothing wakes them: not KILL, not a timeout; and a handler that
returned while one is under way would end the process. So the watchdog looks at each wait: when it is to have an end,
what comes within LEAVE_LOOKS ends it, and the client is told why; else its connection is closed, which ends the read.
gRPC has no other way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from storage.errors import FrostlineError

LEAVE_LOOKS: Final = 50  # of the watchdog: about a second


@dataclass(slots=True, eq=False)
class Wait:
    """why: what is to end it, None while nothing is; asked from any thread. close: ends the connection, told why."""

    why: Callable[[], FrostlineError | None]
    close: Callable[[FrostlineError], None]
    looks: int = 0

    def look(self) -> None:
        """Called by the watchdog, again and again, as long as it lasts."""
        reason = self.why()
        if reason is None:
            return
        self.looks += 1
        if self.looks % LEAVE_LOOKS == 0:  # again, should the connection not have been found
            self.close(reason)

    def check(self) -> None:
        """Raises what is to end it."""
        reason = self.why()
        if reason is not None:
            raise reason


def schema_of(reader: Any) -> Any:
    """None: a client that has nothing to bind may send a descriptor and no schema."""
    try:
        return reader.schema
    except OSError as error:
        if "never sent a data message" not in str(error):
            raise
        return None
