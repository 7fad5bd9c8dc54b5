"""Default values: what a column gets when a statement leaves it out.

Functions that the engine does not have (uuid_v7, snowflake_id, current_user) are computed here, each row its own
value where that is the point of them; anything else is a constant expression for the engine.
"""

from __future__ import annotations

import os
import re
import threading
import uuid
from collections.abc import Callable
from typing import Final

import pyarrow as pa

from storage.clock import Clock
from storage.database_time import DatabaseTime
from storage.errors import ClockRefused
from storage.seq import written_time

_CALL = re.compile(r"\s*+(\w++)\s*+(?:\(\s*+\)\s*+)?", re.ASCII)
_SNOWFLAKE_EPOCH_MS: Final = 1_288_834_974_657  # of the scheme's first user; keeps ids short
_SNOWFLAKE_SEQUENCE_BITS: Final = 22
_SNOWFLAKE_MS_END: Final = _SNOWFLAKE_EPOCH_MS + (1 << 63 - _SNOWFLAKE_SEQUENCE_BITS)  # 2080-07-10
_EACH_ITS_OWN: Final = frozenset(("uuid_v7", "uuid", "gen_random_uuid", "snowflake_id"))
_RANDOM_BITS: Final = 74
_UUID_MS_MAX: Final = (1 << 48) - 1  # the year 10889


class Generator:
    """Values of the DEFAULT functions. Safe from any thread."""

    def __init__(self, clock: Clock, time: DatabaseTime | None = None) -> None:
        """time: the database's; None = a database without commits"""
        self._clock = clock
        self._time = time or DatabaseTime(clock, 0)
        self._lock = threading.Lock()
        self._last_snowflake = 0

    def values(self, default_sql: str, rows: int, user: str) -> pa.Array | None:
        """rows values, or None when the text is not one of the functions known here."""
        match = _CALL.fullmatch(default_sql)
        make = self._makers(rows, user).get(match[1].lower()) if match else None
        return None if make is None else make()

    def is_each_its_own(self, default_sql: str) -> bool:
        """Whether each row gets a value of its own; else all rows of a statement have one."""
        match = _CALL.fullmatch(default_sql)
        return match is not None and match[1].lower() in _EACH_ITS_OWN

    def _makers(self, rows: int, user: str) -> dict[str, Callable[[], pa.Array]]:
        return {
            "now": lambda: self._now(rows),
            "current_timestamp": lambda: self._now(rows),
            "current_user": lambda: pa.repeat(user, rows),
            "uuid_v7": lambda: pa.array([self._uuid_v7() for _ in range(rows)]),
            "uuid": lambda: pa.array([str(uuid.uuid4()) for _ in range(rows)]),
            "gen_random_uuid": lambda: pa.array([str(uuid.uuid4()) for _ in range(rows)]),
            "snowflake_id": lambda: self._snowflakes(rows),
        }

    def _now(self, rows: int) -> pa.Array:
        """One moment for the whole statement."""
        return pa.repeat(pa.scalar(self._clock.wall_ms() * 1000, pa.timestamp("us", tz="UTC")), rows)

    def _uuid_v7(self) -> str:
        """RFC 9562, section 5.7: 48 bits of ms, version 7, the rest random."""
        random = int.from_bytes(os.urandom(10), "big") & ((1 << _RANDOM_BITS) - 1)
        high, low = random >> 62, random & ((1 << 62) - 1)
        now_ms = min(max(self._clock.wall_ms(), 0), _UUID_MS_MAX)
        return str(uuid.UUID(int=now_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))

    def _snowflakes(self, rows: int) -> pa.Array:
        """int64, rising: ms since the epoch above (by a clock before it: since 1970), then a counter.

        Not behind the newest commit, so that no restart with a clock set back gives one twice. Raises ClockRefused.
        """
        now_ms = max(self._time.now().ageing(None), 0)
        since_ms = now_ms - _SNOWFLAKE_EPOCH_MS if now_ms >= _SNOWFLAKE_EPOCH_MS else now_ms
        with self._lock:
            first = max(since_ms << _SNOWFLAKE_SEQUENCE_BITS, self._last_snowflake + 1)
            if now_ms >= _SNOWFLAKE_MS_END or first + rows > 1 << 63:
                raise ClockRefused(
                    f"snowflake_id() and identity columns have no number for {written_time(now_ms)}, only for times "
                    "before 2080-07-10; no row was stored: set the clock right, or give the value"
                )
            self._last_snowflake = first + rows - 1
        return pa.array(range(first, first + rows), pa.int64())
