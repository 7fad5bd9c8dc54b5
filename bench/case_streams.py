"""Events into a full stream that nobody listens to, and what it takes to let a million of them go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Final

import pyarrow as pa

from bench.case_small_writes import CLIENTS_MANY, fresh_rows
from bench.clients import inserters, sinkers, together
from bench.figures import Figure, Of, at_most
from bench.flight_sql_client import FlightSql, ingest_into
from bench.keyed_table import rows_of
from bench.measure import in_turn, typical
from bench.processes import bare_flight, frostline
from bench.scale import Run

INSERT: Final = "INSERT INTO ticks VALUES (?, ?, ?)"
COLUMNS: Final = "id BIGINT, kind VARCHAR, amount DOUBLE"
BUFFER: Final = 10_000
BATCH_ROWS: Final = 1000
INGEST_ROWS: Final = 250_000  # of one statement, which may bring 32 MiB to a stream
READ: Final = "SELECT count(*), sum(amount) FROM rest"


def stream_events(run: Run) -> Iterator[Figure]:
    """The stream is full from the start, so each statement makes room too. The peer: a bare DoPut that forgets."""
    with frostline(run.data / "server") as server, bare_flight(run.data) as bare_uri:
        server.run(f"CREATE STREAM TABLE ticks ({COLUMNS}) WITH (retention = '1d', max_buffer = {BUFFER})")
        with closing(FlightSql(server.uri)) as client:
            client.put(ingest_into("ticks"), rows_of(BUFFER))
        batch = rows_of(BATCH_ROWS)
        for name, clients, make in (
            (f"one event, {CLIENTS_MANY} clients", CLIENTS_MANY, fresh_rows()),
            (f"{BATCH_ROWS} events, 1 client", 1, lambda: batch),
        ):
            yield _events(run, server.uri, bare_uri, name, clients, make)


def _events(run: Run, uri: str, bare_uri: str, name: str, clients: int, make: Callable[[], pa.Table]) -> Figure:
    times, rows = run.scale.insert_calls_many, make().num_rows
    with inserters(uri, INSERT, make, clients) as insert, sinkers(bare_uri, make, clients) as forget:
        seconds = in_turn(together(insert, times), together(forget, times), rounds=run.scale.rounds)
    rates = [clients * times * rows / each for each in seconds]
    return Figure(
        f"INSERTs of {name}, into a full stream, no subscriber, vs bare DoPut",
        "/s",
        rates[0],
        rates[1],
        None,
        seconds.rates(),
    )


def stream_eviction(run: Run) -> Iterator[Figure]:
    """EVICT TABLE and WAIT FOR JOB, while a reader asks another table again and again."""
    rows = run.scale.key_rows
    with (
        frostline(run.data / "server") as server,
        closing(FlightSql(server.uri)) as client,
        closing(FlightSql(server.uri)) as reader,
    ):
        options = f"retention = '1s', max_buffer = {2 * rows}, eviction_interval = '1d'"
        server.run(f"CREATE STREAM TABLE ticks ({COLUMNS}) WITH ({options})")
        server.run(f"CREATE TABLE rest ({COLUMNS})")
        client.put(ingest_into("rest"), rows_of(BUFFER))
        for _ in range(10):
            reader.query(READ)
        for first in range(0, rows, INGEST_ROWS):
            client.put(ingest_into("ticks"), rows_of(min(INGEST_ROWS, rows - first), first))
        while client.query("SELECT count(*) FROM ticks")[0][0].as_py():
            time.sleep(0.1)
        found: list[float] = []

        def evict() -> None:
            start = time.perf_counter()
            job = client.query("EVICT TABLE ticks")["job_id"][0]
            ended = client.query(f"WAIT FOR JOB '{job}'")
            found.append(time.perf_counter() - start)
            assert ended["rows"].to_pylist() == [rows], ended

        beside = _slowest(evict, lambda: reader.query(READ))
    name = f"eviction of {rows / 1e6:g} M events, job and wait"
    yield Figure(name, "ms", found[0] * 1e3, goal=at_most(100, Of.OURS))
    yield Figure("slowest of a reader's queries beside the eviction", "ms", beside)


def _slowest(work: Callable[[], None], read: Callable[[], object]) -> float:
    """Milliseconds of the slowest `read` of those that run one after the other while `work` does."""
    ended = threading.Event()
    slowest = [0.0]

    def reading() -> None:
        while not ended.is_set():
            slowest[0] = max(slowest[0], typical(read, 1)() * 1e3)

    thread = threading.Thread(target=reading)
    thread.start()
    try:
        time.sleep(0.1)
        work()
    finally:
        ended.set()
        thread.join()
    return slowest[0]
