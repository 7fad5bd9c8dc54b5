"""Calls begun and given up by the hundred, and statements prepared and never closed: nothing of them stays.

The long version of the storm is in tests/faults/long. FROSTLINE_FAULT_SEED runs one again; the seed is printed.

Elsewhere: each way to cancel a call (tests/wire/test_sessions_and_calls.py), what stops the engine
(tests/query/test_running.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.conftest import FIXED_SEED
from tests.faults.cancel_checks import check_answers, check_nothing_stays
from tests.faults.cancel_storm import CONFIG, SPILLING, Held, Storm, is_idle, wait_for
from tests.support.flight_client import Client, packed, wait_until
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client as Sql
from tests.wire.conftest import ACCESS, Running, start

SEED = int(os.environ.get("FROSTLINE_FAULT_SEED") or FIXED_SEED or Random().randrange(10**9))
CALLS = 300


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_storm_of_given_up_calls_leaves_nothing_behind(tmp_path: Path):
    print(f"FROSTLINE_FAULT_SEED={SEED}")
    config = tmp_path / "frostline.toml"
    config.write_text(CONFIG)
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        with server.connect() as connection:
            Sql(connection).do("CREATE TABLE stormed AS SELECT value AS k, 'x' AS v FROM generate_series(1, 1000)")
            with connection.cursor() as cursor:
                cursor.execute(SPILLING)
                cursor.fetchone()
                assert Held.by(server).temporary_files > 0, "nothing is spilled that could be left behind"
        storm = Storm(server, SEED)
        storm.blow(60)
        wait_for(lambda: is_idle(server), "the server is not idle")
        before = Held.by(server)
        storm.blow(CALLS)
        print(dict(storm.outcomes))
        check_nothing_stays(server, before)
        check_answers(server, 1000)
        assert server.stop() == 0
        assert [event for event in server.events if event["event"] == "internal_error"] == []


PREPARED_MAX = 1000  # the default of access.prepared_statements_max


def prepare(client: flight.FlightClient, options: flight.FlightCallOptions) -> bytes:
    request = packed(pb.ActionCreatePreparedStatementRequest(query="SELECT CAST(? AS BIGINT)"))
    [result] = client.do_action(flight.Action("CreatePreparedStatement", request), options)
    answer = pb.AnyMessage.FromString(result.body.to_pybytes()).value
    return pb.ActionCreatePreparedStatementResult.FromString(answer).prepared_statement_handle


@pytest.mark.slow
def test_prepared_statements_that_are_never_closed_end_at_a_limit_and_with_their_session(tmp_path: Path):
    with ServerProcess(tmp_path / "data") as server, flight.connect(server.uri) as client:
        greedy, other = (
            flight.FlightCallOptions(headers=[client.authenticate_basic_token("root", ROOT_PASSWORD)]) for _ in range(2)
        )
        handles = [prepare(client, greedy) for _ in range(PREPARED_MAX)]
        for _ in range(3):
            with pytest.raises(
                flight.FlightUnavailableError, match=r"^\[53400\] the session has 1000 prepared .*close"
            ):
                prepare(client, greedy)
        prepare(client, other)
        close = packed(pb.ActionClosePreparedStatementRequest(prepared_statement_handle=handles[0]))
        list(client.do_action(flight.Action("ClosePreparedStatement", close), greedy))
        assert prepare(client, greedy) not in handles
        list(client.do_action(flight.Action("CloseSession", b""), greedy))
        with server.connect() as connection:
            assert Sql(connection).value("SELECT max(prepared_statements) FROM system.sessions") <= 1


@pytest.fixture
def server() -> Iterator[Running]:
    running = start()
    yield running
    running.service.shut_down(0)


def test_prepared_statements_end_when_their_session_is_idle_too_long(server: Running):
    clients = [Client(server) for _ in range(3)]
    handles = [client.prepare("ROWS 1").prepared_statement_handle for client in clients for _ in range(20)]
    held = [session.prepared for session in server.sessions]
    assert sum(len(prepared) for prepared in held) == len(handles)
    server.clock.advance(ACCESS.session_idle_seconds - 1)
    clients[0].query("ROWS 1")  # one session goes on
    server.clock.advance(2)
    wait_until(lambda: len(list(server.sessions)) == 1)
    assert [len(prepared) for prepared in held] == [20, 0, 0]
    with pytest.raises(pa.ArrowKeyError, match=r"^\[26000\] the prepared statement does not exist"):
        clients[1].info(pb.CommandPreparedStatementQuery(prepared_statement_handle=handles[-1]))
