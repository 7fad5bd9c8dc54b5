"""Live queries: what readers cost the writer, how soon they know, and what a thousand that only wait need."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from bench.figures import Figure, Of, Point, at_most
from bench.flight_sql_client import FlightSql
from bench.process_figures import rss_bytes, threads
from bench.processes import REPOSITORY, Server, frostline
from bench.scale import Run

STREAM: Final = (
    "CREATE STREAM TABLE events (id BIGINT, sent BIGINT, word VARCHAR) WITH (retention = '1h', max_buffer = 100000)"
)
INSERT: Final = "INSERT INTO events VALUES (?, ?, ?)"
SUBSCRIBE: Final = "SUBSCRIBE TO SELECT id, sent FROM events WHERE id >= 0 WITH (snapshot = FALSE)"
WRITERS: Final = 4
PACE_SECOND: Final = 500
READERS: Final = (0, 1, 100)
IDLE: Final = 1000


def live_queries(run: Run) -> Iterator[Figure]:
    with frostline(run.data / "server") as server:
        server.run(STREAM)
        yield _rates(run, server)
        yield from _delays(run, server)
        yield from _idle(run, server)


def _rates(run: Run, server: Server) -> Figure:
    """Events a second of WRITERS clients, one a call, each on disk before it is answered."""
    cpu = server.cpu_seconds()
    points = []
    for count in READERS:
        with readers(server, count):
            seconds = _written(server, run.scale.live_events)
        points.append(Point(f"{count} readers", WRITERS * run.scale.live_events / seconds))
    return Figure(
        f"events into a stream, {WRITERS} clients, with {READERS[-1]} readers, vs without",
        "/s",
        points[-1].ours,
        points[0].ours,
        usage=server.usage(cpu),
        points=tuple(points),
        note=", ".join(f"{point.label}: {point.ours:.0f}/s" for point in points),
    )


def _written(server: Server, events: int) -> float:
    """The seconds that WRITERS clients took for `events` each."""
    with ThreadPoolExecutor(WRITERS) as pool:
        clients = [FlightSql(server.uri) for _ in range(WRITERS)]
        start = time.perf_counter()
        for done in [pool.submit(_write, client, events, 0.0) for client in clients]:
            done.result()
        seconds = time.perf_counter() - start
        for client in clients:
            client.close()
    return seconds


def _write(client: FlightSql, events: int, pause_seconds: float) -> None:
    """One event a call, a call each `pause_seconds`."""
    insert = client.prepare(INSERT)
    due = time.monotonic()
    for number in range(events):
        due += pause_seconds
        time.sleep(max(due - time.monotonic(), 0))
        client.put(insert, pa.table({"1": [number], "2": [time.monotonic_ns()], "3": ["word"]}))


def _delays(run: Run, server: Server) -> Iterator[Figure]:
    with closing(FlightSql(server.uri)) as client, readers(server, 1) as reading:
        _write(client, run.scale.live_events, 1 / PACE_SECOND)
    assert reading.rows == run.scale.live_events + 1
    name = f"from INSERT to its reader, {PACE_SECOND} events/s"
    yield Figure(f"{name}, p50", "ms", reading.p50_ms, goal=at_most(2.5, Of.OURS))
    yield Figure(f"{name}, p99", "ms", reading.p99_ms, goal=at_most(12, Of.OURS))


def _idle(run: Run, server: Server) -> Iterator[Figure]:
    before, threads_before = rss_bytes(server.pid), threads(server.pid)
    with readers(server, IDLE):
        cpu, start = server.cpu_seconds(), time.perf_counter()
        time.sleep(run.scale.live_idle_seconds)
        share = (server.cpu_seconds() - cpu) / (time.perf_counter() - start)
        held = rss_bytes(server.pid) - before
        yield Figure(f"memory of {IDLE} idle live queries", "bytes", held)
        yield Figure(f"threads of {IDLE} idle live queries", "threads", threads(server.pid) - threads_before)
        yield Figure(f"processor time of {IDLE} idle live queries, in a second", "ms", share * 1000)


@dataclass(slots=True)
class Reading:
    """What the readers found, once they have ended."""

    rows: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0


@contextmanager
def readers(server: Server, count: int) -> Iterator[Reading]:
    """`count` readers, listening; at the end the last event is sent to them."""
    found = Reading()
    if not count:
        yield found
        return
    command = [sys.executable, "-m", "bench.live_reader", server.uri, SUBSCRIBE, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n", "the readers did not start"
            yield found
            server.run("INSERT INTO events VALUES (0, 0, 'last')")
            read: dict[str, Any] = json.loads(process.stdout.readline())
            found.rows, found.p50_ms, found.p99_ms = read["rows"], read["p50_ms"], read["p99_ms"]
        finally:
            process.kill()
