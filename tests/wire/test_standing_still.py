"""Clients that stand still in the middle of a call: each is ended in time, and nobody takes all places meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.calls.running_calls import CLOSED_SECONDS, CUT_OFF_SECONDS, RunningCall
from flight_server.wire import flight_sql_pb2 as pb
from tests.faults.raw_grpc import silent
from tests.support.flight_client import ROWS, Client, descriptor, ingest, wait_until
from tests.wire.conftest import ACCESS, Running, start


@contextmanager
def started(**settings: Any) -> Iterator[Running]:
    running = start(**settings)
    try:
        yield running
    finally:
        running.service.shut_down(0)


def bound(client: Client):
    client.put(ingest(), ROWS)
    prepared = client.prepare("INSERT INTO t VALUES (?, ?)")
    return pb.CommandPreparedStatementUpdate(prepared_statement_handle=prepared.prepared_statement_handle)


KINDS = {"ingest": lambda client: ingest("other"), "bound parameters": bound}


def stuck(client: Client, command, *, rows: bool):
    """An upload that sent its schema, and rows or none, and then nothing more."""
    writer, _ = client.flight.do_put(descriptor(command), ROWS.schema, client.options)
    if rows:
        writer.write_table(ROWS)
    return writer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("limit", ["upload_idle_seconds", "timeout"])
def test_an_upload_that_stands_still_is_ended_and_nothing_is_stored(kind: str, rows: bool, limit: str):
    with started(statement_seconds_max=30.0 if limit == "timeout" else 0.0) as server:
        client = Client(server)
        command = KINDS[kind](client)
        tables = dict(server.statements.tables)
        writer = stuck(client, command, rows=rows)
        wait_until(lambda: server.service.calls_running == 1)
        _let_pass(server, 10.0)
        assert server.service.calls_running == 1
        _let_pass(server, 25.0 if limit == "timeout" else 51.0)
        wait_until(lambda: server.service.calls_running == 0)
        with pytest.raises(flight.FlightUnavailableError):  # its connection was closed
            writer.close()
        [told] = [entry for entry in server.log.entries if entry["event"] == "connection_closed"]
        assert (told["user"], limit in told["reason"]) == ("root", True)
        assert server.statements.tables == tables
        assert client.fetch(client.query("ROWS 1")).num_rows == 1
        [session] = [s for s in server.sessions if s.principal.name == "root"]
        wait_until(lambda: session.calls == 0)


def test_a_long_call_is_asked_less_often_and_one_apart_at_each_look():
    asked: list[int] = []
    at = SimpleNamespace(look=0)
    context = SimpleNamespace(peer=lambda: "", is_cancelled=lambda: bool(asked.append(at.look)))  # gRPC's
    passage: Any = SimpleNamespace(caller=None, reads_details=False, binds_milliseconds=False)
    session: Any = None
    place: Any = None
    call = RunningCall(context, passage, session, 0.0, 0.0, place)
    for at.look in range(1, 101):
        call.watch(0.0)
    assert asked == [2, 4, 8, *range(16, 100, 10)]
    call.set_apart()
    for at.look in range(101, 106):
        call.watch(0.0)
    assert asked[-5:] == [101, 102, 103, 104, 105]


def test_the_deadline_of_a_client_ends_its_upload():
    with started() as server:
        client = Client(server)
        token = client.flight.authenticate_basic_token("root", "secret")
        options = flight.FlightCallOptions(headers=[token], timeout=0.5)
        writer, _ = client.flight.do_put(descriptor(ingest()), ROWS.schema, options)
        writer.write_table(ROWS)
        wait_until(lambda: server.service.calls_running == 1)
        wait_until(lambda: server.service.calls_running == 0)
        with pytest.raises(flight.FlightTimedOutError):
            writer.close()
        assert server.statements.tables == {}


def test_many_uploads_that_stand_still_are_ended_together():
    with started(calls_max=100) as server:
        client = Client(server)
        writers = [stuck(client, ingest(f"t{n}"), rows=True) for n in range(60)]
        wait_until(lambda: server.service.calls_running == 60)
        _let_pass(server, 61.0)
        wait_until(lambda: server.service.calls_running == 0, seconds=20)
        for writer in writers:
            with pytest.raises(flight.FlightUnavailableError):
                writer.close()


def test_uploads_of_one_user_leave_places_to_administrators():
    with started(calls_max=12, calls_reserved=3) as server, ExitStack() as stack:
        bert, root = Client(server, "bert"), Client(server)
        writers = [stuck(bert, ingest(f"t{n}"), rows=False) for n in range(9)]
        wait_until(lambda: server.service.calls_running == 9)
        refused = r"\[53300\] 9 calls are running, .*server.rpc_concurrent_max, with 3 more for administrators"
        with pytest.raises(flight.FlightUnavailableError, match=refused):
            bert.query("ROWS 1")
        assert root.fetch(root.query("ROWS 1")).num_rows == 1
        again = stack.enter_context(server.connect())
        with again.cursor() as cursor:
            cursor.execute("ROWS 2")
            assert len(cursor.fetchall()) == 2
        _let_pass(server, 61.0)
        wait_until(lambda: server.service.calls_running == 0)
        assert bert.fetch(bert.query("ROWS 1")).num_rows == 1
        del writers


@pytest.mark.parametrize("method", ["DoPut", "DoExchange", "Handshake"])
def test_a_call_whose_first_message_does_not_come_has_a_place_until_its_client_leaves(method: str):
    with started(calls_max=12, calls_per_user_max=3, calls_reserved=3) as server:
        bert, root = Client(server, "bert"), Client(server)
        headers = [("authorization", "Basic YmVydDpzZWNyZXQ=")]
        with ExitStack() as calls:
            for _ in range(3):
                calls.enter_context(silent(server.uri, method, headers))
            wait_until(lambda: _is_refused(bert))
            assert root.fetch(root.query("ROWS 1")).num_rows == 1
        wait_until(lambda: not _is_refused(bert))


def _is_refused(client: Client) -> bool:
    try:
        client.query("ROWS 1")
    except flight.FlightUnavailableError as error:
        return "53300" in str(error)
    return False


@pytest.mark.parametrize("ends_by", ["timeout", "cancel"])
def test_a_reader_that_stands_still_is_cut_off_and_its_connection_closed(ends_by: str):
    with started(statement_seconds_max=30.0) as server:
        slow, quick = Client(server), Client(server, "anna")
        info = slow.query("FLOOD")
        reader = slow.flight.do_get(info.endpoints[0].ticket, slow.options)
        reader.read_chunk()
        wait_until(lambda: server.service.calls_running == 1)
        if ends_by == "cancel":
            assert Client(server).cancel(info) == 1
            assert server.statements.results[-1].reasons
            server.clock.advance(31.0)
        else:
            server.clock.advance(31.0)
            wait_until(lambda: bool(server.statements.results[-1].reasons))
        _let_pass(server, CUT_OFF_SECONDS + 0.1)
        wait_until(lambda: server.service.calls_running == 0)
        _let_pass(server, CLOSED_SECONDS + 0.1)
        with pytest.raises((pa.ArrowException, OSError)):
            _read_on(reader)
        assert quick.fetch(quick.query("ROWS 1")).num_rows == 1


def _read_on(reader: flight.FlightStreamReader) -> None:
    while True:
        reader.read_chunk()


def _let_pass(server: Running, seconds: float) -> None:
    """So that the watchdog looks before and after."""
    pause = threading.Event()
    pause.wait(0.3)
    server.clock.advance(seconds)
    pause.wait(0.3)


def test_prepared_statements_of_a_user_hold_so_many_bytes_and_no_more():
    access = replace(ACCESS, prepared_per_user_bytes_max=3_400)
    with started(access=access) as server:
        sessions = [Client(server) for _ in range(3)]
        long = "ROWS 1" + " " * 900
        kept = [client.prepare(long) for client in sessions]
        with pytest.raises(flight.FlightUnavailableError, match=r"53200.*access\.prepared_per_user_bytes_max"):
            sessions[0].prepare(long)
        sessions[1].close_prepared(kept[1].prepared_statement_handle)
        sessions[0].prepare(long)
        assert Client(server, "anna").prepare(long).prepared_statement_handle
        server.sessions.close_all()
        assert Client(server).prepare(long).prepared_statement_handle
