"""The least that pyarrow.flight can do: a server that holds tables in memory and forgets what it is sent.

`python -m bench.bare_flight` prints `ready: ADDRESS` and serves until it is ended. Its clients tell it what to hold:

DoPut, path ("keep", name)  keeps the rows
DoPut, path ("sink",)       reads the rows and forgets them, then answers with eight bytes
DoPut, path ("answer",)     answers each batch so
GetFlightInfo, path (name,) the schema and a ticket of what is kept
DoGet, ticket = name        the rows
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.flight as flight

from bench.open_stream import OpenStream

BATCH_ROWS: Final = 65_536  # 36 bytes a row make messages of about 2 MiB, as our server's are
_ANSWER: Final = bytes(8)


class BareFlight(flight.FlightServerBase):  # type: ignore[misc]  # the base is untyped
    """No login, no SQL, no disk."""

    def __init__(self) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._tables: dict[str, pa.Table] = {}

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        action, *names = [part.decode() for part in descriptor.path]
        if action == "keep":
            table = reader.read_all().combine_chunks()
            self._tables[names[0]] = pa.Table.from_batches(table.to_batches(max_chunksize=BATCH_ROWS), table.schema)
            return
        for _ in reader:
            if action == "answer":
                writer.write(_ANSWER)
        if action == "sink":
            writer.write(_ANSWER)

    def get_flight_info(self, context: Any, descriptor: Any) -> flight.FlightInfo:
        [name] = descriptor.path
        table = self._tables[name.decode()]
        return flight.FlightInfo(table.schema, descriptor, [flight.FlightEndpoint(name, [])], table.num_rows, -1)

    def do_get(self, context: Any, ticket: flight.Ticket) -> flight.RecordBatchStream:
        return flight.RecordBatchStream(self._tables[ticket.ticket.decode()])


def keep(client: flight.FlightClient, name: str, table: pa.Table) -> None:
    """Have the server hold `table`."""
    writer, _ = client.do_put(flight.FlightDescriptor.for_path("keep", name), table.schema)
    with writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)


def fetch(client: flight.FlightClient, name: str) -> pa.Table:
    """One GetFlightInfo, one DoGet."""
    info = client.get_flight_info(flight.FlightDescriptor.for_path(name))
    return client.do_get(info.endpoints[0].ticket).read_all()


def sink(client: flight.FlightClient, table: pa.Table) -> None:
    """One DoPut, and its answer."""
    writer, reader = client.do_put(flight.FlightDescriptor.for_path("sink"), table.schema)
    with writer:
        writer.write_table(table, max_chunksize=BATCH_ROWS)
        writer.done_writing()
        reader.read()


def acknowledged(client: flight.FlightClient, schema: pa.Schema) -> OpenStream:
    """A DoPut that answers each batch."""
    return OpenStream(*client.do_put(flight.FlightDescriptor.for_path("answer"), schema))


if __name__ == "__main__":
    server = BareFlight()
    print(f"ready: grpc://127.0.0.1:{server.port}", flush=True)
    server.serve()
