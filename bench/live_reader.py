"""Readers of one live query in a process of their own: `python -m bench.live_reader URI SQL READERS`.

Prints `ready` when all of them listen, and when each has had a row whose `sent` is 0 a line of JSON: how many rows came
in all, and how many milliseconds after their `sent` (of the clock that all processes share, in ns).
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Final

import numpy as np
import pyarrow.flight as flight

from bench.flight_sql_client import FlightSql

READERS_OF_A_CONNECTION: Final = 50
ENOUGH_DELAYS: Final = 200_000


class Readers:
    """Threads that read, and what they found."""

    def __init__(self, uri: str, sql: str, count: int) -> None:
        self.rows = 0
        self.delays_ms: list[float] = []
        self._listening = threading.Semaphore(0)
        self._lock = threading.Lock()
        clients = [FlightSql(uri) for _ in range(-(-count // READERS_OF_A_CONNECTION))]
        streams = [clients[at // READERS_OF_A_CONNECTION].stream(sql) for at in range(count)]
        self._threads = [threading.Thread(target=self._read, args=(stream,), daemon=True) for stream in streams]
        for thread in self._threads:
            thread.start()
        for _ in streams:
            self._listening.acquire()

    def wait(self) -> None:
        for thread in self._threads:
            thread.join()

    def _read(self, stream: flight.FlightStreamReader) -> None:
        rows, delays = 0, list[float]()
        for chunk in stream:
            batch, now = chunk.data, time.monotonic_ns()
            if batch.column(0)[0].as_py() == "progress":
                self._listening.release()
                continue
            sent = batch.column("sent").to_numpy()
            rows += batch.num_rows
            if len(delays) < ENOUGH_DELAYS:
                delays += ((now - sent[sent > 0]) / 1e6).tolist()
            if not sent.all():
                break
        with self._lock:
            self.rows += rows
            self.delays_ms += delays


def main() -> None:
    uri, sql, count = sys.argv[1:]
    readers = Readers(uri, sql, int(count))
    print("ready", flush=True)
    readers.wait()
    p50, p99 = np.percentile(readers.delays_ms or [0.0], [50, 99])
    print(json.dumps({"rows": readers.rows, "p50_ms": p50, "p99_ms": p99}), flush=True)


if __name__ == "__main__":
    main()
