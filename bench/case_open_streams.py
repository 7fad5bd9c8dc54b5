"""One-row batches on streams that stay open, each answered when it is on disk, against bare streams that answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Final

import pyarrow as pa
import pyarrow.flight as flight

from bench.bare_flight import acknowledged as answered_by_bare
from bench.case_small_writes import CLIENTS_MANY, fresh_rows
from bench.clients import Call, together
from bench.figures import Figure, Of, Usage, at_least
from bench.flight_sql_client import FlightSql, acknowledged_ingest_into
from bench.keyed_table import create_text
from bench.measure import in_turn
from bench.open_stream import OpenStream
from bench.processes import Server, bare_flight, frostline
from bench.scale import Run

RATE_MIN: Final = 10_000


def open_streams(run: Run) -> Iterator[Figure]:
    """Into a table with a primary key: 16 streams with one batch on its way each, and one stream with 16 of them."""
    with frostline(run.data / "server") as server, bare_flight(run.data) as bare_uri:
        server.run(create_text("acknowledged"))
        row = fresh_rows()
        name = f"one-row batches on {CLIENTS_MANY} open streams, each acknowledged durable, vs bare streams"
        rates, ratios, usage = _rates(run, server, bare_uri, row, CLIENTS_MANY, 1)
        yield Figure(name, "/s", *rates, at_least(0.4), ratios, usage)
        yield Figure(f"their rate, {CLIENTS_MANY} in flight", "/s", rates[0], goal=at_least(RATE_MIN, Of.OURS))
        name = f"one-row batches on 1 open stream, {CLIENTS_MANY} in flight, vs a bare stream"
        rates, ratios, usage = _rates(run, server, bare_uri, row, 1, CLIENTS_MANY)
        yield Figure(name, "/s", *rates, None, ratios, usage)


def _rates(
    run: Run, server: Server, bare_uri: str, row: Callable[[], pa.Table], streams: int, ahead: int
) -> tuple[tuple[float, float], tuple[float, ...], Usage]:
    times = max(1, run.scale.insert_calls_many // ahead)
    with _to_server(server.uri, row, streams, ahead) as store, _to_bare(bare_uri, row, streams, ahead) as forget:
        cpu = server.cpu_seconds()
        seconds = in_turn(together(store, times), together(forget, times), rounds=run.scale.rounds)
    sent = streams * ahead * times
    return (sent / seconds[0], sent / seconds[1]), seconds.rates(), server.usage(cpu)


@contextmanager
def _to_server(uri: str, row: Callable[[], pa.Table], count: int, ahead: int) -> Iterator[list[Call]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(FlightSql(uri))) for _ in range(count)]
        command, schema = acknowledged_ingest_into("acknowledged"), row().schema
        yield _sending(stack, [client.open(command, schema) for client in clients], row, ahead)


@contextmanager
def _to_bare(uri: str, row: Callable[[], pa.Table], count: int, ahead: int) -> Iterator[list[Call]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(flight.connect(uri)) for _ in range(count)]
        yield _sending(stack, [answered_by_bare(client, row().schema) for client in clients], row, ahead)


def _sending(stack: ExitStack, streams: Sequence[OpenStream], row: Callable[[], pa.Table], ahead: int) -> list[Call]:
    for stream in streams:
        stack.callback(stream.close)
    return [_call(stream, row, ahead) for stream in streams]


def _call(stream: OpenStream, row: Callable[[], pa.Table], ahead: int) -> Call:
    return lambda: stream.put_all([row().to_batches()[0] for _ in range(ahead)])
