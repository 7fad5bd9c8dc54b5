"""Flight SQL through bare pyarrow.flight clients, so that a client costs the same on both sides of a comparison."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from bench.bare_flight import BATCH_ROWS
from bench.open_stream import OpenStream
from bench.processes import PASSWORD
from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any


class FlightSql:
    """One connection, logged in. Close it."""

    def __init__(self, uri: str, user: str = "root") -> None:
        """user: with the password that all of the benchmark's users have"""
        self._client = flight.connect(uri)
        header = self._client.authenticate_basic_token(user.encode(), PASSWORD.encode())
        self._options = flight.FlightCallOptions(headers=[header])

    def query(self, sql: str) -> pa.Table:
        """One GetFlightInfo, one DoGet."""
        info = self._client.get_flight_info(_descriptor(pb.CommandStatementQuery(query=sql)), self._options)
        return self._client.do_get(info.endpoints[0].ticket, self._options).read_all()

    def stream(self, sql: str) -> flight.FlightStreamReader:
        """The rows as they come."""
        info = self._client.get_flight_info(_descriptor(pb.CommandStatementQuery(query=sql)), self._options)
        return self._client.do_get(info.endpoints[0].ticket, self._options)

    def prepare(self, sql: str) -> flight.FlightDescriptor:
        """The descriptor that runs the change `sql` with the rows that come with it: for `put`."""
        return _descriptor(pb.CommandPreparedStatementUpdate(prepared_statement_handle=self._handle(sql)))

    def prepare_query(self, sql: str) -> flight.FlightDescriptor:
        """For `query_bound`."""
        return _descriptor(pb.CommandPreparedStatementQuery(prepared_statement_handle=self._handle(sql)))

    def query_bound(self, descriptor: flight.FlightDescriptor, values: pa.Table) -> pa.Table:
        """One DoPut with the values, one GetFlightInfo, one DoGet."""
        writer, reader = self._client.do_put(descriptor, values.schema, self._options)
        with writer:
            writer.write_table(values)
            writer.done_writing()
            reader.read()
        info = self._client.get_flight_info(descriptor, self._options)
        return self._client.do_get(info.endpoints[0].ticket, self._options).read_all()

    def _handle(self, sql: str) -> bytes:
        request = pb.ActionCreatePreparedStatementRequest(query=sql)
        action = flight.Action("CreatePreparedStatement", pack_any("ActionCreatePreparedStatementRequest", request))
        [answer] = self._client.do_action(action, self._options)
        body = pb.AnyMessage.FromString(answer.body.to_pybytes()).value
        return bytes(pb.ActionCreatePreparedStatementResult.FromString(body).prepared_statement_handle)

    def put(self, descriptor: flight.FlightDescriptor, rows: pa.Table | pa.RecordBatchReader) -> int:
        """One DoPut; the count of changed rows."""
        writer, reader = self._client.do_put(descriptor, rows.schema, self._options)
        batches = rows.to_batches(max_chunksize=BATCH_ROWS) if isinstance(rows, pa.Table) else rows
        with writer:
            for batch in batches:
                writer.write_batch(batch)
            writer.done_writing()
            return int(pb.DoPutUpdateResult.FromString(reader.read().to_pybytes()).record_count)

    def open(self, descriptor: flight.FlightDescriptor, schema: pa.Schema) -> OpenStream:
        """A DoPut that answers each batch."""
        return OpenStream(*self._client.do_put(descriptor, schema, self._options))

    def close(self) -> None:
        self._client.close()


def ingest_into(table: str, namespace: str = "public", *, replace: bool = False) -> flight.FlightDescriptor:
    """Bulk ingest: append to a table that is there, or make it anew. For `put`."""
    message = pb.CommandStatementIngest(table=table, schema=namespace)
    message.table_definition_options.if_not_exist = 1 if replace else 2
    message.table_definition_options.if_exists = 3 if replace else 2
    return _descriptor(message)


def acknowledged_ingest_into(table: str) -> flight.FlightDescriptor:
    """Append to a table that is there, each batch by itself. For `open`."""
    message = pb.CommandStatementIngest(table=table, schema="public", options={"acknowledge": "batch"})
    message.table_definition_options.if_not_exist = message.table_definition_options.if_exists = 2
    return _descriptor(message)


def _descriptor(message: Any) -> flight.FlightDescriptor:
    return flight.FlightDescriptor.for_command(pack_any(message.DESCRIPTOR.name, message))
