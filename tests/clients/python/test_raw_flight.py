"""pyarrow.flight without a driver: the protocol's own messages against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyarrow import flight

from flight_server.wire import flight_sql_pb2 as pb
from tests.clients.messages import RawClient, ingest
from tests.support.server_process import ServerProcess


@pytest.fixture
def client(server: ServerProcess) -> Iterator[RawClient]:
    with RawClient(server.uri) as opened:
        yield opened


def test_a_query(client):
    assert client.fetch(client.query("SELECT 6 * 7 AS answer")).to_pydict() == {"answer": [42]}


def test_a_prepared_statement_with_bound_rows(client, namespace):
    client.run(f"CREATE TABLE {namespace}.raw (n BIGINT)")
    prepared = client.prepare(f"INSERT INTO {namespace}.raw VALUES ($1)")
    assert prepared.is_update
    command = pb.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.prepared_statement_handle)
    answer = client.put(command, pa.table({"0": [1, 2, 3]}))
    assert pb.DoPutUpdateResult.FromString(answer).record_count == 3
    assert client.rows(f"SELECT sum(n) AS n FROM {namespace}.raw") == [{"n": 6}]


def test_a_bulk_load(client, namespace):
    answer = client.put(ingest("loaded", namespace), pa.table({"n": [1, 2]}))
    assert pb.DoPutUpdateResult.FromString(answer).record_count == 2
    assert client.rows(f"SELECT count(*) AS n FROM {namespace}.loaded") == [{"n": 2}]


def test_the_schema_alone(client):
    assert client.schema(pb.CommandStatementQuery(query="SELECT 1 AS a, 'x' AS b")).names == ["a", "b"]


def test_actions_are_listed(client):
    assert {"CreatePreparedStatement", "CancelFlightInfo", "SetSessionOptions"} <= set(client.actions())


def test_a_call_without_credentials_is_refused(server):
    bare = flight.connect(server.uri)
    with pytest.raises(flight.FlightUnauthenticatedError):
        list(bare.do_action(flight.Action("GetSessionOptions", b"")))
    bare.close()
