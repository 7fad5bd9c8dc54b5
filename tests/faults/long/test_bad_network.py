"""Bad networks between client and server: right rows or an error, never a short result that looks like a whole one.

The proxy delays, slows, cuts up, cuts off and stalls. A result is right when it holds every row; a load is right when
it is stored whole and answered, or refused and not stored, or not answered and stored whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from tests.faults.fault_proxy import FaultProxy, Plan
from tests.faults.long.conftest import Shift
from tests.faults.long.figures import back_at, figures_of
from tests.faults.long.network_target import target_of
from tests.faults.mixed_load import gone_quietly
from tests.support.server_process import ROOT_PASSWORD, ServerProcess

ROWS = 300_000  # about 5 MB in several messages
ROUNDS_MIN = 12
SELECT = f"SELECT value, value * 7 AS seven FROM generate_series(1, {ROWS})"
TIMEOUTS = {  # or a stalled network would be waited for as long as TCP likes
    "adbc.flight.sql.rpc.timeout_seconds.fetch": "6",
    "adbc.flight.sql.rpc.timeout_seconds.query": "6",
    "adbc.flight.sql.rpc.timeout_seconds.update": "6",
}

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


def plan_of(random: Random, cut_bytes_max: int) -> Plan:
    kind = random.choice(["late", "slow", "small pieces", "cut", "cut", "cut", "stall", "all"])
    at = random.randrange(cut_bytes_max)
    return {
        "late": Plan(delay_seconds=0.15, both_ways=True),
        "slow": Plan(bytes_per_second=4 << 20),
        "small pieces": Plan(piece_bytes=500, both_ways=True),
        "cut": Plan(cut_after_bytes=at),
        "stall": Plan(stall_after_bytes=at),
        "all": Plan(delay_seconds=0.02, bytes_per_second=8 << 20, piece_bytes=20_000, cut_after_bytes=at),
    }[kind]


def connected(port: int) -> Any:
    from adbc_driver_flightsql import dbapi

    credentials = {"username": "root", "password": ROOT_PASSWORD}
    return dbapi.connect(f"grpc://127.0.0.1:{port}", db_kwargs={**credentials, **TIMEOUTS}, autocommit=True)


def test_a_result_over_a_bad_network_is_whole_or_an_error(server: ServerProcess, shift: Shift):
    random, outcomes = shift.random, {"whole": 0, "error": 0}
    with FaultProxy(target_of(server), Plan()) as proxy:
        assert fetched(proxy.port) == ROWS
        result_bytes = proxy.passed
    base = figures_of(server.process.pid)  # with the engine's threads, which the first query started
    for _ in shift.rounds(ROUNDS_MIN):
        plan = plan_of(random, int(result_bytes * 1.1))
        with FaultProxy(target_of(server), plan) as proxy:
            rows, error = tried(partial(fetched, proxy.port))
        outcomes["whole" if error is None else "error"] += 1
        assert error is not None or rows == ROWS, f"{rows} of {ROWS} rows as a success, {plan}"
    print(outcomes)
    back_at(base, server.process.pid, handles_more=8, threads_more=8, seconds=60)


def test_a_load_over_a_bad_network_is_stored_whole_or_not_at_all(server: ServerProcess, shift: Shift):
    random, outcomes = shift.random, {"answered": 0, "unknown, stored": 0, "unknown, not stored": 0}
    with server.connect() as direct, direct.cursor() as cursor:
        cursor.execute("CREATE TABLE loads (load BIGINT, row BIGINT)")
        for load in shift.rounds(ROUNDS_MIN):
            # Little comes from the server during a load: cut early, to hit its answer too.
            plan = random.choice([plan_of(random, 3000), Plan(stall_after_bytes=40_000 * load, both_ways=True)])
            rows = random.choice([3, 50_000])
            with FaultProxy(target_of(server), plan) as proxy:
                _, error = tried(partial(ingest, proxy.port, load, rows))
            found = stored(server, cursor, load)
            outcome = "answered" if error is None else f"unknown, {'stored' if found else 'not stored'}"
            assert found in ((rows,) if error is None else (0, rows)), f"{outcome}, {found} of {rows}, {plan}"
            outcomes[outcome] += 1
    print(outcomes)


def tried(act: Callable[[], int | None]) -> tuple[int | None, Exception | None]:
    """What it gave, or the error, which tells nothing of the server's inside."""
    try:
        return act(), None
    except Exception as error:
        if "Traceback" in str(error):
            raise
        return None, error


def fetched(port: int) -> int:
    with gone_quietly(connected(port)) as connection, gone_quietly(connection.cursor()) as cursor:
        cursor.execute(SELECT)
        table = cursor.fetch_arrow_table()
        assert table.num_rows != ROWS or table.column("seven")[ROWS - 1].as_py() % 7 == 0
        return int(table.num_rows)


def ingest(port: int, load: int, rows: int) -> None:
    table = pa.table({"load": pa.array([load] * rows, pa.int64()), "row": pa.array(range(rows), pa.int64())})
    with gone_quietly(connected(port)) as connection, gone_quietly(connection.cursor()) as cursor:
        cursor.adbc_ingest("loads", table, mode="append")


def stored(server: ServerProcess, cursor: Any, load: int) -> int:
    """Rows of the load, once the server has noticed that its client is gone."""
    with suppress(AssertionError):
        back_at(figures_of(server.process.pid), server.process.pid, seconds=1)
    cursor.execute(f"SELECT count(*) FROM loads WHERE load = {load}")
    ((found,),) = cursor.fetchall()
    return int(found)
