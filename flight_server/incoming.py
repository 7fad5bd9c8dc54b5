"""Messages of an upload, read by a thread that the call can leave.

pyarrow's reads wait for the client without limit, and nothing wakes them: not KILL, not a timeout. So a thread of the
upload's own sits in the read, and the call waits for that thread with an eye on everything else.

Rule: a reader is valid until its handler returns, and a read that is under way then ends the process. So the thread
reads only when the call asks for it, and the handler returns only when no read is under way (`leave`): what comes
within LEAVE_SECONDS ends it, else the connection to the client is closed. gRPC has no other way to end a read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Any, Final

LOOK_SECONDS: Final = 0.1  # between two looks of the call at whether it is still to wait
LEAVE_SECONDS: Final = 1.0  # a client that is at work sends something meanwhile, and is told why


class _State(Enum):
    RESTING = 0
    ASKED = 1
    READING = 2
    READY = 3
    LEFT = 4


class Incoming:
    """What a DoPut's client sends. Use as a context manager inside of the handler."""

    def __init__(self, reader: Any, close: Callable[[], None]) -> None:
        """close: ends the connection to the client"""
        self._reader = reader
        self._close = close
        self._changed = threading.Condition()
        self._state = _State.RESTING
        self._read: Callable[[Any], Any] = _chunk
        self._found: Any = None
        self._error: BaseException | None = None
        self._has_thread = False

    def __repr__(self) -> str:
        return f"<Incoming [{self._state.name.lower()}]>"

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def schema(self, look: Callable[[], None]) -> Any:
        """Raises as pyarrow does, and what `look` raises."""
        return self._ask(_schema, look)

    def chunk(self, look: Callable[[], None]) -> Any:
        """The next chunk. `look` is called again and again while none comes, and ends the waiting by raising.

        Raises StopIteration at the end, else as pyarrow does.
        """
        return self._ask(_chunk, look)

    def leave(self) -> None:
        """No read is under way any more, and none begins. Blocks for LEAVE_SECONDS, and until gRPC has noticed."""
        with self._changed:
            while not self._changed.wait_for(lambda: self._state is not _State.READING, LEAVE_SECONDS):
                self._close()
            self._state = _State.LEFT
            self._changed.notify_all()

    def _ask(self, read: Callable[[Any], Any], look: Callable[[], None]) -> Any:
        with self._changed:
            if self._state is _State.RESTING:  # or else the call comes back to a read that it gave up waiting for
                self._read, self._state = read, _State.ASKED
                self._start()
                self._changed.notify_all()
            while not self._changed.wait_for(lambda: self._state is _State.READY, LOOK_SECONDS):
                look()
            found, error, self._found, self._error = self._found, self._error, None, None
            self._state = _State.RESTING
        if error is not None:
            raise error
        return found

    def _start(self) -> None:
        """Not before the first read: some uploads are never looked into."""
        if not self._has_thread:
            self._has_thread = True
            threading.Thread(target=self._run, name="frostline-upload", daemon=True).start()

    def _run(self) -> None:
        while self._begin():
            found, error = None, None
            try:
                found = self._read(self._reader)
            except BaseException as raised:
                error = raised
            with self._changed:
                self._found, self._error, self._state = found, error, _State.READY
                self._changed.notify_all()
            del found, error  # the call's alone from here on

    def _begin(self) -> bool:
        """Whether there is something to be read, once that is known."""
        with self._changed:
            self._changed.wait_for(lambda: self._state in (_State.ASKED, _State.LEFT))
            if self._state is _State.LEFT:
                return False
            self._state = _State.READING
            return True


def _schema(reader: Any) -> Any:
    """None: a client that has nothing to bind may send a descriptor and no schema."""
    try:
        return reader.schema
    except OSError as error:
        if "never sent a data message" not in str(error):
            raise
        return None


def _chunk(reader: Any) -> Any:
    return reader.read_chunk()
