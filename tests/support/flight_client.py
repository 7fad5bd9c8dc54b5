"""Flight SQL by hand, for what no driver would send."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import pyarrow as pa
import pyarrow.flight as flight

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any

ROWS = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", None]})


class Server(Protocol):
    """Where a client logs in."""

    def flight(self, user: str) -> tuple[flight.FlightClient, flight.FlightCallOptions]: ...


class Client:
    """One log-in on one connection."""

    def __init__(self, server: Server, user: str = "root") -> None:
        self.flight, self.options = server.flight(user)

    def info(self, message) -> flight.FlightInfo:
        return self.flight.get_flight_info(descriptor(message), self.options)

    def query(self, sql: str) -> flight.FlightInfo:
        return self.info(pb.CommandStatementQuery(query=sql))

    def schema(self, message) -> pa.Schema:
        return self.flight.get_schema(descriptor(message), self.options).schema

    def get(self, ticket: flight.Ticket) -> pa.Table:
        """Chunk by chunk: `read_all` answers CANCELLED with a KeyboardInterrupt in the main thread."""
        reader = self.flight.do_get(ticket, self.options)
        return pa.Table.from_batches([chunk.data for chunk in reader], reader.schema)

    def fetch(self, info: flight.FlightInfo) -> pa.Table:
        [endpoint] = info.endpoints
        return self.get(endpoint.ticket)

    def put(self, message, table: pa.Table) -> bytes:
        """A change as text reads no rows, and pyarrow loses the answer of a call that ends while it still writes: so
        where there are no columns no rows go either, as every driver has it."""
        writer, reader = self.flight.do_put(descriptor(message), table.schema, self.options)
        with writer:
            if table.num_columns:
                writer.write_table(table)
            writer.done_writing()
            return reader.read().to_pybytes()

    def act(self, kind: str, body: bytes = b"") -> list[bytes]:
        return [r.body.to_pybytes() for r in self.flight.do_action(flight.Action(kind, body), self.options)]

    def prepare(self, sql: str) -> pb.ActionCreatePreparedStatementResult:
        [body] = self.act("CreatePreparedStatement", packed(pb.ActionCreatePreparedStatementRequest(query=sql)))
        return pb.ActionCreatePreparedStatementResult.FromString(pb.AnyMessage.FromString(body).value)

    def close_prepared(self, handle: bytes) -> list[bytes]:
        request = pb.ActionClosePreparedStatementRequest(prepared_statement_handle=handle)
        return self.act("ClosePreparedStatement", packed(request))

    def cancel(self, info: flight.FlightInfo) -> int:
        request = pb.CancelFlightInfoRequest(info=pb.FlightInfo.FromString(info.serialize()))
        [body] = self.act("CancelFlightInfo", request.SerializeToString())
        return pb.CancelFlightInfoResult.FromString(body).status


def packed(message) -> bytes:
    return pack_any(message.DESCRIPTOR.name, message)


def descriptor(message) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(packed(message))


def ingest(table: str = "t") -> pb.CommandStatementIngest:
    message = pb.CommandStatementIngest(table=table)
    message.table_definition_options.if_not_exist = 1
    message.table_definition_options.if_exists = 2
    return message


def wait_until(true: Callable[[], bool], seconds: float = 5) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come true in time")
