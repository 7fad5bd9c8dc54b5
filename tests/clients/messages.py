"""Flight SQL by hand, for what no driver would send and for seeing what one gets."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import pyarrow as pa
from pyarrow import flight

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any
from tests.support.server_process import ROOT_PASSWORD


class RawClient:
    """One log-in over one connection."""

    def __init__(
        self,
        uri: str,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        user: str = "root",
        password: str = ROOT_PASSWORD,
    ) -> None:
        """headers: sent with every call, besides the token."""
        self.flight = flight.connect(uri)
        token = self.flight.authenticate_basic_token(user, password)
        self.options = flight.FlightCallOptions(headers=[token, *headers])

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flight.close()

    def info(self, message: Any) -> flight.FlightInfo:
        return self.flight.get_flight_info(descriptor(message), self.options)

    def query(self, sql: str) -> flight.FlightInfo:
        return self.info(pb.CommandStatementQuery(query=sql))

    def schema(self, message: Any) -> pa.Schema:
        return self.flight.get_schema(descriptor(message), self.options).schema

    def stream(self, info: flight.FlightInfo) -> flight.FlightStreamReader:
        [endpoint] = info.endpoints
        return self.flight.do_get(endpoint.ticket, self.options)

    def fetch(self, info: flight.FlightInfo) -> pa.Table:
        return self.stream(info).read_all()

    def ask(self, message: Any) -> pa.Table:
        """What a metadata command answers."""
        return self.fetch(self.info(message))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.fetch(self.query(sql)).to_pylist()

    def run(self, sql: str) -> None:
        """One statement or several whose rows are not wanted."""
        self.put(pb.CommandStatementUpdate(query=sql), pa.table({}))

    def put(self, message: Any, table: pa.Table) -> bytes:
        """The one answer to a DoPut."""
        writer, reader = self.flight.do_put(descriptor(message), table.schema, self.options)
        with writer:
            if table.num_columns:  # see tests/support/flight_client.py
                writer.write_table(table)
            writer.done_writing()
            answer = reader.read()
            if answer is not None:  # else leaving the block raises what the server said
                assert reader.read() is None, "more than one answer"
        return answer.to_pybytes()

    def act(self, kind: str, body: bytes = b"") -> list[bytes]:
        return [r.body.to_pybytes() for r in self.flight.do_action(flight.Action(kind, body), self.options)]

    def actions(self) -> list[str]:
        return [action.type for action in self.flight.list_actions(self.options)]

    def prepare(self, sql: str) -> Any:
        """The ActionCreatePreparedStatementResult."""
        [body] = self.act("CreatePreparedStatement", packed(pb.ActionCreatePreparedStatementRequest(query=sql)))
        return pb.ActionCreatePreparedStatementResult.FromString(pb.AnyMessage.FromString(body).value)


def packed(message: Any) -> bytes:
    return pack_any(message.DESCRIPTOR.name, message)


def descriptor(message: Any) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(packed(message))


def ingest(table: str, namespace: str) -> Any:
    """A load that creates the table or appends to it."""
    message = pb.CommandStatementIngest(table=table, schema=namespace)
    message.table_definition_options.if_not_exist = 1
    message.table_definition_options.if_exists = 2
    return message


def schema_of(data: bytes) -> pa.Schema:
    """The schema inside a message."""
    return pa.ipc.read_schema(pa.py_buffer(data))


def prepared_query(prepared: Any) -> Any:
    """What runs a prepared statement, or binds to it."""
    return pb.CommandPreparedStatementQuery(prepared_statement_handle=prepared.prepared_statement_handle)
