"""A client that asks small things all the while: is the server there for others too?"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from tests.faults.mixed_load import gone_quietly
from tests.support.server_process import ServerProcess

PAUSE_SECONDS = 0.05
ANSWER_SECONDS_MAX = 30.0  # a hang, not slowness: the machine may be busy


class Neighbour:
    """Asks while the block runs; `check` afterwards."""

    def __init__(self, server: ServerProcess, *, allowed_refusal: str = "") -> None:
        """allowed_refusal: words of an error that is no failure; it asks again then."""
        self._server = server
        self._allowed_refusal = allowed_refusal
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.answers = 0
        self.longest_seconds = 0.0
        self.failed: Exception | None = None

    def __repr__(self) -> str:
        return f"<Neighbour [{self.answers} answers, at most {self.longest_seconds:.2f} s]>"

    def __enter__(self) -> Neighbour:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(2 * ANSWER_SECONDS_MAX)

    def check(self) -> None:
        """Fails when a question was refused, was never asked, or hung."""
        assert not self._thread.is_alive(), f"no answer to the neighbour: {self!r}"
        if self.failed is not None:
            raise AssertionError("the neighbour was refused") from self.failed
        assert self.answers > 0
        assert self.longest_seconds < ANSWER_SECONDS_MAX

    def _ask(self) -> None:
        try:
            with gone_quietly(self._server.connect()) as connection:
                while not (self._stop.is_set() and self.answers):
                    self._ask_once(connection)
                    self._stop.wait(PAUSE_SECONDS)
        except Exception as error:
            self.failed = error

    def _ask_once(self, connection: Any) -> None:
        begun = time.monotonic()
        try:
            with gone_quietly(connection.cursor()) as cursor:
                cursor.execute("SELECT 41 + 1")
                assert cursor.fetchall() == [(42,)]
        except Exception as error:
            if not self._allowed_refusal or self._allowed_refusal not in str(error):
                raise
            return
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - begun)
        self.answers += 1
