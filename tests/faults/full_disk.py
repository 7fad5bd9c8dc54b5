"""RocksDB's error for a full disk, and waiting until the engine takes writes again."""

from __future__ import annotations

import time

from storage.engine import Engine

NO_ROOM = "IO error: No space left on device: While appending to file: /rows/000004.log: No space left on device"


def failing_for_want_of_room() -> None:
    raise OSError(NO_ROOM)


def until_healthy(engine: Engine) -> None:
    end = time.monotonic() + 20
    while engine.health != "ok":
        assert time.monotonic() < end
        time.sleep(0.01)
