"""Writers, readers, subscribers and evictions on streams of one server at once; an oracle counts every event.

Each writer numbers its events. What is checked while all goes on, and again at the end:
  by_age     (a short retention, endless room) shows every event that is younger and none that is older
  by_room    (a long retention, little room)   shows exactly max_buffer events, of each writer its last ones
  by_value   (the same, by priority)           shows exactly the events with the highest values there ever were
  heard      (ephemeral)                       tells a subscriber every event while it listens; others are discarded
An event's age is not known to the millisecond: it is committed between a writer's call and its answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.support.listener import listen
from tests.support.server_process import ServerProcess

WRITERS: Final = 3
READERS: Final = 2
SUBSCRIBERS: Final = 2
RETENTION_SECONDS: Final = 2
ROOM: Final = 300
BATCH_MAX: Final = 40
SLOW_SECONDS_MAX: Final = 30.0  # more, on a machine on which nobody has read or heard anything by then
MISSED: Final = "by_age shows an event of {} that is {} ms too old"

TABLES: Final = {
    "by_age": f"retention = '{RETENTION_SECONDS}s', max_buffer = 1000000, eviction_interval = '1s'",
    "by_room": f"retention = '1d', max_buffer = {ROOM}",
    "by_value": f"retention = '1d', max_buffer = {ROOM}, eviction = 'priority(value)'",
}
HEARD: Final = f"retention = '1d', max_buffer = {ROOM}, ephemeral = true"


@dataclass(frozen=True, slots=True)
class Sent:
    """Events `first`..`last` of a writer, committed between the two moments (ms of the wall clock)."""

    writer: int
    first: int
    last: int
    called_ms: int
    answered_ms: int


@dataclass
class Soak:
    """One run. `failures`: what was wrong, in words."""

    server: ServerProcess
    seed: int
    sent: list[Sent] = field(default_factory=list)
    values: list[tuple[int, int, int]] = field(default_factory=list)  # value, writer, n
    failures: list[str] = field(default_factory=list)
    reads: int = 0
    accepted: int = 0  # events that were heard
    told: int = 0  # events that subscribers were told of
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def create(self) -> None:
        with self._cursor() as cursor:
            for table, options in {**TABLES, "heard": HEARD}.items():
                columns = "writer INTEGER, n BIGINT, value BIGINT"
                cursor.execute(f"CREATE STREAM TABLE {table} ({columns}) WITH ({options})")

    def run(self, seconds: float) -> None:
        """All threads for so long; then the last checks, with nobody writing."""
        random = Random(self.seed)
        writers = [self._thread(self._write, number, Random(random.random())) for number in range(WRITERS)]
        others = [self._thread(self._read, Random(random.random())) for _ in range(READERS)]
        others += [self._thread(self._subscribe, Random(random.random())) for _ in range(SUBSCRIBERS)]
        others.append(self._thread(self._evict))
        for thread in (*writers, *others):
            thread.start()
        self._stop.wait(seconds)
        deadline = time.monotonic() + SLOW_SECONDS_MAX
        while not (self.told and self.reads) and time.monotonic() < deadline and not self._stop.is_set():
            time.sleep(0.05)
        self._stop.set()
        for thread in (*writers, *others):
            thread.join(60)
            assert not thread.is_alive(), "a thread of the soak hangs"
        with self._cursor() as cursor:
            self._check_by_value(cursor)
            self._check_by_room(cursor, quiet=True)
            self._check_by_age(cursor)
            self._check_figures(cursor)

    # --- what goes on ---------------------------------------------------------------------------------------

    def _write(self, writer: int, random: Random) -> None:
        n = 0
        with self._cursor() as cursor:
            while not self._stop.is_set():
                rows = [(n + i, random.randrange(10**12)) for i in range(random.randint(1, BATCH_MAX))]
                n += len(rows)
                listed = ", ".join(f"({writer}, {number}, {value})" for number, value in rows)
                for table in TABLES:
                    called_ms = time.time_ns() // 1_000_000
                    cursor.execute(f"INSERT INTO {table} VALUES {listed}")
                    if cursor.rowcount != len(rows):
                        self.failures.append(f"{table} took {cursor.rowcount} of {len(rows)} events")
                    if table == "by_age":
                        answered_ms = time.time_ns() // 1_000_000
                        self.sent.append(Sent(writer, rows[0][0], rows[-1][0], called_ms, answered_ms))
                cursor.execute(f"INSERT INTO heard VALUES {listed}")
                if cursor.rowcount not in (0, len(rows)):
                    self.failures.append(f"heard took {cursor.rowcount} of {len(rows)} events")
                with self._lock:
                    self.accepted += cursor.rowcount
                self.values += [(value, writer, number) for number, value in rows]
                if random.random() < 0.05:
                    self._stop.wait(random.random())

    def _read(self, random: Random) -> None:
        while not self._stop.is_set():
            with self._cursor() as cursor:
                for _ in range(random.randint(1, 20)):
                    self._check_by_age(cursor)
                    self._check_by_room(cursor, quiet=False)
                    self.reads += 1

    def _subscribe(self, random: Random) -> None:
        while not self._stop.wait(random.random() / 5):
            with listen(self.server, "SUBSCRIBE TO SELECT writer, n FROM heard WITH (snapshot = false)") as live:
                self._stop.wait(random.random())
            found = [(row["writer"], row["n"]) for row in live.rows]
            with self._lock:
                self.told += len(found)
            for writer in range(WRITERS):
                mine = [n for by, n in found if by == writer]
                if mine and mine != list(range(mine[0], mine[-1] + 1)):
                    self.failures.append(f"a subscriber was told {mine} of writer {writer}")

    def _evict(self) -> None:
        with self._cursor() as cursor:
            while not self._stop.wait(0.3):
                for table in TABLES:
                    cursor.execute(f"EVICT TABLE {table}")

    # --- what must hold -------------------------------------------------------------------------------------

    def _check_by_age(self, cursor: Any) -> None:
        sent = list(self.sent)
        before_ms = time.time_ns() // 1_000_000
        found = _rows(cursor, "SELECT writer, n, arrow_cast(_updated, 'Int64') FROM by_age")
        after_ms = time.time_ns() // 1_000_000
        for writer, _, committed_ms in found:
            if committed_ms < before_ms - RETENTION_SECONDS * 1000:
                self.failures.append(MISSED.format(writer, before_ms - RETENTION_SECONDS * 1000 - committed_ms))
        shown = {(writer, n) for writer, n, _ in found}
        if len(shown) != len(found):
            self.failures.append("by_age shows an event twice")
        for batch in sent:
            if batch.called_ms >= after_ms - RETENTION_SECONDS * 1000:
                lost = [n for n in range(batch.first, batch.last + 1) if (batch.writer, n) not in shown]
                if lost:
                    self.failures.append(f"by_age lost {lost} of {batch}")

    def _check_by_room(self, cursor: Any, *, quiet: bool) -> None:
        known = sum(batch.last - batch.first + 1 for batch in list(self.sent))
        found = _rows(cursor, "SELECT writer, n FROM by_room ORDER BY _seq")
        [[count]] = _rows(cursor, "SELECT count(*) FROM by_room")
        enough = known - WRITERS * BATCH_MAX >= ROOM  # what is under way may be in by_age and not yet here
        if count > ROOM or len(found) > ROOM or (enough and (count, len(found)) != (ROOM, ROOM)):
            self.failures.append(f"by_room shows {len(found)} and counts {count} of {ROOM}")
        for writer in range(WRITERS):
            mine = [n for by, n in found if by == writer]
            if mine and mine != list(range(mine[0], mine[-1] + 1)):
                self.failures.append(f"by_room shows {mine} of writer {writer}")
            newest = max((batch.last for batch in self.sent if batch.writer == writer), default=None)
            if quiet and mine and mine[-1] != newest:
                self.failures.append(f"by_room ends with {mine[-1]} of writer {writer}, not with {newest}")

    def _check_by_value(self, cursor: Any) -> None:
        found = sorted(_rows(cursor, "SELECT value, writer, n FROM by_value"))
        if found != sorted(self.values)[-ROOM:]:
            self.failures.append("by_value does not show the highest values")

    def _check_figures(self, cursor: Any) -> None:
        """Whatever came has left or is there."""
        total = len(self.values)
        for table in ("by_room", "by_value"):
            facts = _figures(cursor, table)
            if facts != (total, 0):
                self.failures.append(f"{table}: {facts} of {total} events")
        facts = _figures(cursor, "heard")
        if facts != (self.accepted, total - self.accepted):
            self.failures.append(f"heard: {facts}, though {self.accepted} of {total} events were accepted")

    # --- furniture ------------------------------------------------------------------------------------------

    def _thread(self, work: Callable[..., None], *args: Any) -> threading.Thread:
        def guarded() -> None:
            try:
                work(*args)
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                self._stop.set()

        return threading.Thread(target=guarded, daemon=True)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        with self.server.connect() as connection, connection.cursor() as cursor:
            try:
                yield cursor
            finally:
                with suppress(Exception):
                    cursor.close()


def _rows(cursor: Any, sql: str) -> list[tuple[Any, ...]]:
    cursor.execute(sql)
    return [tuple(row.values()) for row in cursor.fetch_arrow_table().to_pylist()]


def _figures(cursor: Any, table: str) -> tuple[int, int]:
    """(events that were stored, events that were discarded) by what DESCRIBE says."""
    rows = _rows(cursor, f"DESCRIBE {table}")
    facts = {name: int(value) for name, kind, _, value, *_ in rows if kind == "figure"}
    return facts["events_buffered"] + facts["events_evicted"], facts["events_discarded"]
