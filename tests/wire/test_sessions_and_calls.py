"""What the service keeps between calls, and how calls end: handles, sessions, cancelling, limits, shutdown."""

from __future__ import annotations

import threading

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.actions import ACTIONS
from tests.support.flight_client import ROWS, Client, descriptor, ingest, packed, wait_until
from tests.wire.conftest import start


@pytest.fixture
def client(server) -> Client:
    return Client(server)


# --- handles, sessions -----------------------------------------------------------------------------------------


def test_a_prepared_statement_of_another_session_is_not_there(client, server):
    handle = client.prepare("ROWS 1").prepared_statement_handle
    with pytest.raises(pa.ArrowKeyError, match=r"\[26000\] the prepared statement does not exist"):
        Client(server).info(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle))


def test_a_closed_prepared_statement_is_gone_and_closing_again_is_no_error(client):
    handle = client.prepare("ROWS 1").prepared_statement_handle
    assert client.close_prepared(handle) == []
    assert client.close_prepared(handle) == []
    with pytest.raises(pa.ArrowKeyError, match="26000"):
        client.info(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle))


def test_prepared_statements_are_limited_for_each_session(client):
    for _ in range(20):
        client.prepare("ROWS 1")
    with pytest.raises(flight.FlightUnavailableError, match="20 prepared statements open"):
        client.prepare("ROWS 1")


def test_session_options_are_set_read_and_refused_by_kind(client):
    message = pb.SetSessionOptionsRequest()
    message.session_options["schema"].string_value = "system"
    message.session_options["durability"].string_value = "never"
    message.session_options["colour"].string_value = "blue"
    message.session_options["statement_timeout_seconds"].int64_value = 5
    [body] = client.act("SetSessionOptions", message.SerializeToString())
    errors = pb.SetSessionOptionsResult.FromString(body).errors
    assert {name: error.value for name, error in errors.items()} == {"durability": 2, "colour": 1}
    [body] = client.act("GetSessionOptions")
    options = pb.GetSessionOptionsResult.FromString(body).session_options
    assert options["schema"].string_value == "system"
    assert options["durability"].string_value == "full"
    assert options["statement_timeout_seconds"].double_value == 5


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("catalog", ["frostline", "", None], ["other", True, 1, 1.5, ["frostline"]]),
        ("schema", ["system", None], ["nowhere", "", True, 1, 1.5, ["system"]]),
        ("time_zone", ["Europe/Berlin", "+02:00", "UTC", None], ["Mars/Base", "", True, 2, 1.5, ["UTC"]]),
        ("durability", ["relaxed", "FULL", None], ["never", "", True, 1, 1.5, ["full"]]),
        ("statement_timeout_seconds", [5, 0, 1.5, "7", None], [-1, 1e300, "soon", "", True, ["5"], float("nan")]),
    ],
)
def test_options_of_every_type_are_taken_or_refused(client, name, good, bad):
    def errors(value) -> dict[str, int]:
        message = pb.SetSessionOptionsRequest()
        option = message.session_options[name]
        match value:
            case bool():
                option.bool_value = value
            case int():
                option.int64_value = value
            case float():
                option.double_value = value
            case str():
                option.string_value = value
            case list():
                option.string_list_value.values.extend(value)
        [body] = client.act("SetSessionOptions", message.SerializeToString())
        return {name: error.value for name, error in pb.SetSessionOptionsResult.FromString(body).errors.items()}

    def options() -> bytes:
        [body] = client.act("GetSessionOptions")
        return pb.GetSessionOptionsResult.FromString(body).session_options[name].SerializeToString()

    default = options()
    for value in good:
        assert errors(value) == {}, value
    assert options() == default  # None, the last one, resets
    for value in bad:
        assert errors(value) == {name: 2}, value
    assert options() == default


def test_a_closed_session_can_not_come_back(client):
    client.act("CloseSession")
    with pytest.raises(flight.FlightUnauthenticatedError, match="the session was closed"):
        client.query("ROWS 1")


def test_an_idle_session_rolls_back_and_is_forgotten(client, server):
    client.act("BeginTransaction", packed(pb.ActionBeginTransactionRequest()))
    client.prepare("ROWS 1")
    server.clock.advance(3601)
    wait_until(lambda: list(server.sessions) == [])
    assert server.statements.ended == ["rollback"]


def test_a_transaction_that_did_nothing_stays_open_as_long_as_its_session(client, server):
    client.act("BeginTransaction", packed(pb.ActionBeginTransactionRequest()))
    server.clock.advance(3599)
    client.query("ROWS 1")
    [session] = server.sessions
    assert (server.statements.ended, len(session.transactions)) == ([], 1)


def test_end_transaction_without_a_verdict_is_refused(client):
    with pytest.raises(pa.ArrowInvalid, match=r"use 1 \(commit\) or 2 \(roll back\)"):
        client.act("EndTransaction", packed(pb.ActionEndTransactionRequest(transaction_id=b"t1")))


# --- cancelling, limits, shutdown ------------------------------------------------------------------------------


def test_cancel_flight_info_stops_a_running_query(client, server):
    info = client.query("HANG")
    outcome: list[BaseException] = []

    def fetch() -> None:
        try:
            client.fetch(info)
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=fetch)
    thread.start()
    wait_until(lambda: "1 running]>>" in repr(server.service))
    assert client.cancel(info) == 1
    thread.join(timeout=5)
    assert isinstance(outcome[0], flight.FlightCancelledError)


def test_cancel_flight_info_drops_a_planned_query(client):
    info = client.query("ROWS 3")
    assert client.cancel(info) == 1
    assert client.cancel(info) == 3
    with pytest.raises(pa.ArrowKeyError, match="34000"):
        client.fetch(info)


def test_cancel_query_answers_inside_any(client):
    info = client.query("ROWS 3")
    [body] = client.act("CancelQuery", packed(pb.ActionCancelQueryRequest(info=info.serialize())))
    assert pb.ActionCancelQueryResult.FromString(pb.AnyMessage.FromString(body).value).result == 1


def test_the_query_of_another_user_can_not_be_cancelled(client, server):
    info = client.query("ROWS 3")
    with pytest.raises(pa.ArrowKeyError, match="34000"):
        Client(server, "anna").cancel(info)
    assert client.fetch(info).num_rows == 3


def test_list_actions_names_exactly_what_there_is(client):
    assert {action.type for action in client.flight.list_actions(client.options)} == set(ACTIONS)


@pytest.mark.parametrize("kind", ["CreatePreparedSubstraitPlan", "RenewFlightEndpoint"])
def test_other_actions_are_not_supported(client, kind):
    with pytest.raises(pa.ArrowNotImplementedError, match=f"action '{kind}' is not supported"):
        client.act(kind)


def test_list_flights_is_empty(client):
    assert list(client.flight.list_flights(options=client.options)) == []


def test_more_calls_than_allowed_are_refused():
    server = start(calls_max=1)
    try:
        client = Client(server)
        info = client.query("HANG")
        reader = client.flight.do_get(info.endpoints[0].ticket, client.options)
        reader.read_chunk()
        with pytest.raises(flight.FlightUnavailableError, match="1 calls are running"):
            client.query("ROWS 1")
        reader.cancel()
        wait_until(lambda: server.service.calls_running == 0)
        assert client.fetch(client.query("ROWS 1")).num_rows == 1
    finally:
        server.service.shut_down(0)


def test_more_calls_of_one_user_than_allowed_are_refused_and_others_go_on():
    server = start(calls_per_user_max=1)
    try:
        client, anna = Client(server), Client(server, "anna")
        reader = client.flight.do_get(client.query("HANG").endpoints[0].ticket, client.options)
        reader.read_chunk()
        with pytest.raises(flight.FlightUnavailableError, match=r"\[53300\] 1 calls of user 'root' are running"):
            client.query("ROWS 1")
        assert anna.fetch(anna.query("ROWS 1")).num_rows == 1
        reader.cancel()
        wait_until(lambda: server.service.calls_running == 0)
        assert client.fetch(client.query("ROWS 1")).num_rows == 1
    finally:
        server.service.shut_down(0)


def test_draining_refuses_new_calls_and_lets_running_ones_end(client, server):
    info = client.query("ROWS 5000")
    reader = client.flight.do_get(info.endpoints[0].ticket, client.options)
    first = reader.read_chunk().data.num_rows
    server.service.drain()
    with pytest.raises(flight.FlightUnavailableError, match="shutting down"):
        client.query("ROWS 1")
    assert first + sum(chunk.data.num_rows for chunk in reader) == 5000


def test_shutdown_cancels_what_does_not_end():
    server = start()
    client = Client(server)
    reader = client.flight.do_get(client.query("HANG").endpoints[0].ticket, client.options)
    reader.read_chunk()
    server.service.shut_down(0)
    with pytest.raises(flight.FlightCancelledError, match="shutting down"):
        reader.read_chunk()
    assert server.service.calls_running == 0
    assert list(server.sessions) == []


def test_an_upload_that_is_held_open_does_not_hold_up_the_shutdown():
    server = start()
    client = Client(server)
    writer, _ = client.flight.do_put(descriptor(ingest()), ROWS.schema, client.options)
    wait_until(lambda: server.service.calls_running == 1)
    server.service.shut_down(0)
    with pytest.raises((flight.FlightCancelledError, flight.FlightUnavailableError)):
        writer.close()
    assert server.statements.tables == {}
