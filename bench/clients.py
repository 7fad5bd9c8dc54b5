"""Several clients at once, each a thread with a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from bench.bare_flight import sink
from bench.flight_sql_client import FlightSql
from bench.measure import Side

Call = Callable[[], Any]


def together(calls: Sequence[Call], times: int) -> Side:
    """All of `calls` at once, each `times` times; the seconds until the last is done."""

    def side() -> float:
        gate = threading.Barrier(len(calls) + 1)

        def work(call: Call) -> None:
            gate.wait()
            for _ in range(times):
                call()

        with ThreadPoolExecutor(len(calls)) as pool:
            running = [pool.submit(work, call) for call in calls]
            gate.wait()
            start = time.perf_counter()
            for one in running:
                one.result()
            return time.perf_counter() - start

    return side


@contextmanager
def inserters(uri: str, sql: str, row: Callable[[], pa.Table], count: int) -> Iterator[list[Call]]:
    """`count` clients with `sql` prepared; a call sends the next row."""
    with ExitStack() as open_clients:
        calls = []
        for _ in range(count):
            client = FlightSql(uri)
            open_clients.callback(client.close)
            calls.append(_putting(client, client.prepare(sql), row))
        yield calls


@contextmanager
def sinkers(uri: str, row: Callable[[], pa.Table], count: int) -> Iterator[list[Call]]:
    """`count` clients of the bare Flight server; a call sends the next row to be forgotten."""
    with ExitStack() as open_clients:
        clients = [open_clients.enter_context(flight.connect(uri)) for _ in range(count)]
        yield [_sinking(client, row) for client in clients]


def _putting(client: FlightSql, prepared: flight.FlightDescriptor, row: Callable[[], pa.Table]) -> Call:
    return lambda: client.put(prepared, row())


def _sinking(client: flight.FlightClient, row: Callable[[], pa.Table]) -> Call:
    return lambda: sink(client, row())
