"""What Frostline is held against: a bare Flight server that does the least a server can, in a process of its own.

Run as `python -m bench.peers PARQUET`: it gives that file's table from memory and swallows uploads.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from pyarrow import flight

_READY: Final = "ready: "


class BareServer(flight.FlightServerBase):  # type: ignore[misc]
    """DoGet: the table. DoPut: read everything, answer once."""

    def __init__(self, path: str, columns: list[str]) -> None:
        self._table = pq.read_table(path, columns=columns)
        super().__init__("grpc://127.0.0.1:0")

    def get_flight_info(self, _: Any, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        endpoint = flight.FlightEndpoint(b"table", [])
        return flight.FlightInfo(self._table.schema, descriptor, [endpoint], -1, -1)

    def do_get(self, _: Any, ticket: flight.Ticket) -> flight.RecordBatchStream:
        table = self._table if ticket.ticket == b"table" else self._table.slice(0, 1)
        return flight.RecordBatchStream(table)

    def do_put(self, _: Any, __: Any, reader: Any, writer: Any) -> None:
        for _chunk in reader:
            pass
        writer.write(b"\x08\x01")


@contextmanager
def bare_server(path: Path, columns: list[str]) -> Iterator[flight.FlightClient]:
    """A client of a bare server over `columns` of a Parquet file."""
    command = [sys.executable, "-m", "bench.peers", str(path), *columns]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with flight.connect(process.stdout.readline().removeprefix(_READY).strip()) as client:
                yield client
        finally:
            process.terminate()


if __name__ == "__main__":
    server = BareServer(sys.argv[1], sys.argv[2:])
    print(f"{_READY}grpc://127.0.0.1:{server.port}", flush=True)
    server.serve()
