"""Recording takes down the messages of a result while they are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa


class Recording:
    """Of one run. `add` what is sent, `end` when all was."""

    def __init__(self, bytes_max: int, keep: Callable[[Sequence[pa.RecordBatch]], None]) -> None:
        self._left_bytes = bytes_max
        self._keep = keep
        self._messages: list[pa.RecordBatch] = []

    def add(self, message: pa.RecordBatch) -> None:
        self._left_bytes -= message.nbytes
        if self._left_bytes >= 0:
            self._messages.append(message)
        else:
            self._messages.clear()

    def end(self) -> None:
        if self._left_bytes >= 0:
            self._keep(self._messages)
