"""The service call by call, with a bare Flight client: what is read and what is written."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.support.flight_client import ROWS, Client, descriptor, ingest, packed, wait_until


@pytest.fixture
def client(server) -> Client:
    return Client(server)


# --- reading ---------------------------------------------------------------------------------------------------


def test_a_query_has_one_endpoint_and_one_schema_everywhere(client):
    info = client.query("ROWS 3")
    assert info.schema == client.schema(pb.CommandStatementQuery(query="ROWS 3"))
    assert info.schema == client.fetch(info).schema


def test_get_schema_runs_nothing(client, server):
    client.schema(pb.CommandStatementQuery(query="TOUCH 3"))
    assert server.statements.runs == []


def test_an_update_by_get_flight_info_runs_once_and_gives_no_rows(client, server):
    info = client.query("TOUCH 3")
    table = client.fetch(info)
    assert (len(info.schema), table.num_rows, table.num_columns) == (0, 0, 0)
    assert server.statements.runs == ["TOUCH 3"]


def test_a_result_can_be_fetched_once(client):
    info = client.query("ROWS 3")
    client.fetch(info)
    with pytest.raises(pa.ArrowKeyError, match=r"\[34000\] the result does not exist, was fetched already"):
        client.fetch(info)


def test_a_result_of_another_user_is_not_there(client, server):
    info = client.query("ROWS 3")
    with pytest.raises(pa.ArrowKeyError, match=r"\[34000\] the result does not exist"):
        Client(server, "anna").fetch(info)
    assert client.fetch(info).num_rows == 3


def test_a_result_can_be_fetched_over_another_connection_of_the_user(client, server):
    assert Client(server).fetch(client.query("ROWS 3")).num_rows == 3


def test_a_result_that_nobody_fetches_expires(client, server):
    info = client.query("ROWS 3")
    server.clock.advance(301)
    wait_until(lambda: server.statements.results[0].stopped.is_set())
    with pytest.raises(pa.ArrowKeyError, match="34000"):
        client.fetch(info)


def test_a_reader_that_leaves_stops_its_query(client, server):
    info = client.query("ROWS 1000000")
    reader = client.flight.do_get(info.endpoints[0].ticket, client.options)
    reader.read_chunk()
    reader.cancel()
    wait_until(lambda: server.statements.results[0].stopped.is_set())
    wait_until(lambda: server.service.calls_running == 0)


def test_an_update_command_belongs_to_do_put(client):
    with pytest.raises(pa.ArrowInvalid, match="send it with DoPut"):
        client.info(pb.CommandStatementUpdate(query="TOUCH 1"))


METADATA = [
    pb.CommandGetCatalogs(),
    pb.CommandGetDbSchemas(),
    pb.CommandGetTables(),
    pb.CommandGetTables(include_schema=True),
    pb.CommandGetTableTypes(),
    pb.CommandGetPrimaryKeys(table="t"),
    pb.CommandGetExportedKeys(table="t"),
    pb.CommandGetImportedKeys(table="t"),
    pb.CommandGetCrossReference(pk_table="t", fk_table="t"),
    pb.CommandGetSqlInfo(),
    pb.CommandGetXdbcTypeInfo(),
]


@pytest.mark.parametrize("message", METADATA, ids=lambda m: m.DESCRIPTOR.name)
def test_metadata_has_one_schema_and_its_command_as_ticket(client, message):
    info = client.info(message)
    assert [e.ticket.ticket for e in info.endpoints] == [packed(message)]
    table = client.fetch(info)
    assert table.schema.equals(info.schema, check_metadata=True)
    assert info.schema.equals(client.schema(message), check_metadata=True)


def test_primary_keys_come_from_the_catalog(client):
    client.put(ingest(), ROWS)
    [row] = client.fetch(client.info(pb.CommandGetPrimaryKeys(table="t"))).to_pylist()
    assert (row["column_name"], row["key_sequence"]) == ("id", 1)


# --- writing ---------------------------------------------------------------------------------------------------


def test_an_update_without_any_data_message_runs(client, server):
    writer, reader = client.flight.do_put(
        descriptor(pb.CommandStatementUpdate(query="TOUCH 5")), pa.schema([]), client.options
    )
    writer.done_writing()
    assert pb.DoPutUpdateResult.FromString(reader.read().to_pybytes()).record_count == 5
    assert reader.read() is None
    writer.close()


def test_a_query_sent_as_update_is_not_run_and_has_no_count(client, server):
    answer = client.put(pb.CommandStatementUpdate(query="ROWS 3"), pa.table({}))
    assert pb.DoPutUpdateResult.FromString(answer).record_count == -1
    assert server.statements.results[0].reasons == ["only the row count was asked for"]


def test_binding_answers_with_the_handle(client):
    handle = client.prepare("ECHO ?").prepared_statement_handle
    answer = client.put(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle), pa.table({"0": [41]}))
    assert pb.DoPutPreparedStatementResult.FromString(answer).prepared_statement_handle == handle
    rows = client.fetch(client.info(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle)))
    assert rows.to_pylist() == [{"n": 41}]


def test_a_query_takes_one_row_of_parameters(client):
    handle = client.prepare("ECHO ?").prepared_statement_handle
    with pytest.raises(pa.ArrowInvalid, match="2 rows of parameters"):
        client.put(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle), pa.table({"0": [1, 2]}))


def test_a_prepared_update_without_rows_runs_once(client, server):
    handle = client.prepare("TOUCH 2").prepared_statement_handle
    answer = client.put(pb.CommandPreparedStatementUpdate(prepared_statement_handle=handle), pa.table({}))
    assert pb.DoPutUpdateResult.FromString(answer).record_count == 2
    assert server.statements.runs == ["TOUCH 2"]


def test_is_update_and_schemas_are_always_set(client):
    query, update = client.prepare("ECHO ?"), client.prepare("TOUCH 1")
    assert (query.HasField("is_update"), query.is_update) == (True, False)
    assert (update.HasField("is_update"), update.is_update) == (True, True)
    assert pa.ipc.read_schema(pa.py_buffer(query.dataset_schema)).names == ["n"]
    assert pa.ipc.read_schema(pa.py_buffer(query.parameter_schema)).names == ["$1"]
    assert len(pa.ipc.read_schema(pa.py_buffer(update.dataset_schema))) == 0


CUT_OFF = """
import os, sys
import pyarrow as pa, pyarrow.flight as flight
uri, command = sys.argv[1], bytes.fromhex(sys.argv[2])
client = flight.connect(uri)
options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("root", "secret")])
rows = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", None]})
writer, _ = client.do_put(flight.FlightDescriptor.for_command(command), rows.schema, options)
writer.write_table(rows)
print("written", flush=True)
sys.stdin.read()
os._exit(1)
"""


def test_an_upload_whose_sender_dies_stores_nothing(server):
    arguments = [sys.executable, "-c", CUT_OFF, server.uri, packed(ingest()).hex()]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sender:
        assert sender.stdout.readline() == b"written\n"
        wait_until(lambda: server.service.calls_running == 1)
        sender.kill()
    wait_until(lambda: server.service.calls_running == 0)
    assert server.statements.tables == {}


def test_an_upload_past_its_deadline_stores_nothing(server):
    client = Client(server)
    options = flight.FlightCallOptions(timeout=0.3, headers=[client_token(server)])
    writer, _ = client.flight.do_put(descriptor(ingest()), ROWS.schema, options)
    writer.write_table(ROWS)
    wait_until(lambda: server.service.calls_running == 1)
    wait_until(lambda: server.service.calls_running == 0)
    assert server.statements.tables == {}
    with pytest.raises(flight.FlightTimedOutError):
        writer.close()


def client_token(server) -> tuple[bytes, bytes]:
    with flight.connect(server.uri) as client:
        return client.authenticate_basic_token("root", "secret")


def test_an_ingest_into_another_catalog_is_refused(client):
    message = ingest()
    message.catalog = "elsewhere"
    with pytest.raises(pa.ArrowInvalid, match=r"\[3D000\] catalog 'elsewhere' does not exist"):
        client.put(message, ROWS)
