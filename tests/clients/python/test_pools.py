"""Pools keep connections for long, and hand them out again: each time these show the database of now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import adbc_driver_manager
import pytest
import sqlalchemy as sa

from tests.support.server_process import ROOT_PASSWORD, ServerProcess

CONNECTIONS = 5
CHECK_OUTS = 200
IDLE_SECONDS = 0.5
WAIT_SECONDS_MAX = 20.0

# The dialect leaves cursors open when it invalidates a connection.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that soon ends idle transactions."""
    directory: Path = tmp_path_factory.mktemp("pools")
    config = directory / "frostline.toml"
    config.write_text(f"[access]\ntransaction_idle_seconds = {IDLE_SECONDS}\n", encoding="utf-8")
    with ServerProcess(directory / "data", "--config", str(config)) as process:
        yield process


def pool(server: ServerProcess, **headers: str) -> sa.Engine:
    place = urlsplit(server.uri)
    query = {"tls": "false", "username": "root", "password": ROOT_PASSWORD}
    query |= {f"adbc.flight.sql.rpc.call_header.{name}": value for name, value in headers.items()}
    url = sa.URL.create("adbc+flightsql", host=place.hostname, port=place.port, query=query)
    return sa.create_engine(url, pool_size=CONNECTIONS, max_overflow=0)


@pytest.fixture
def engine(impatient: ServerProcess) -> Iterator[sa.Engine]:
    opened = pool(impatient)
    with opened.begin() as connection:
        connection.execute(sa.text("CREATE OR REPLACE TABLE t (a BIGINT)"))
    yield opened
    opened.dispose()


def count(connection: Any) -> int:
    return int(connection.execute(sa.text("SELECT count(*) FROM t")).scalar())


def test_every_check_out_sees_all_that_others_committed(engine: sa.Engine, impatient: ServerProcess) -> None:
    for _ in range(CONNECTIONS):
        with engine.connect() as first, engine.connect() as second:
            assert count(first) == count(second) == 0
    with impatient.connect() as other, other.cursor() as writer:
        for written in range(1, CHECK_OUTS + 1):
            writer.execute(f"INSERT INTO t VALUES ({written})")
            with engine.connect() as connection:
                assert count(connection) == written


def test_a_table_that_another_connection_made_is_there(engine: sa.Engine) -> None:
    held = [engine.connect() for _ in range(CONNECTIONS - 1)]
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE made (a BIGINT)"))
    for connection in held:
        assert connection.execute(sa.text("SELECT count(*) FROM made")).scalar() == 0
        connection.close()


def test_connections_that_idled_in_the_pool_work(engine: sa.Engine, impatient: ServerProcess) -> None:
    for connection in [engine.connect() for _ in range(CONNECTIONS)]:
        count(connection)
        connection.close()
    wait_until(lambda: idle_seconds(impatient) > 2 * IDLE_SECONDS)
    for _ in range(2 * CONNECTIONS):
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))
    with engine.connect() as connection:
        assert count(connection) == 2 * CONNECTIONS


def test_a_transaction_that_the_server_ended_can_be_rolled_back_and_its_connection_goes_on(
    engine: sa.Engine, impatient: ServerProcess
) -> None:
    with engine.connect() as connection:
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
        wait_until(lambda: begun(impatient) == 0)
        with pytest.raises(sa.exc.DBAPIError, match="25P03"):
            connection.execute(sa.text("INSERT INTO t VALUES (2)"))
        connection.rollback()
        connection.execute(sa.text("INSERT INTO t VALUES (3)"))
        connection.commit()
        assert connection.execute(sa.text("SELECT a FROM t")).scalars().all() == [3]


def test_a_pool_is_set_to_a_namespace_by_a_header(impatient: ServerProcess) -> None:
    with impatient.connect() as other, other.cursor() as cursor:
        cursor.execute("CREATE NAMESPACE sales; CREATE TABLE sales.orders (a BIGINT)")
    engine = pool(impatient, schema="sales")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM orders")).scalar() == 0
        connection.execute(sa.text("USE public"))
        with pytest.raises(sa.exc.DBAPIError, match="42P01"):
            connection.execute(sa.text("SELECT count(*) FROM orders"))
    engine.dispose()


def test_a_namespace_that_is_not_there_is_an_error_that_names_it(impatient: ServerProcess) -> None:
    header = {"adbc.flight.sql.rpc.call_header.schema": "caf%C3%A9"}
    with (
        impatient.connect(**header) as connection,
        connection.cursor() as cursor,
        pytest.raises(adbc_driver_manager.Error, match=r"3F000.*'café'"),
    ):
        cursor.execute("SELECT 1")


def begun(server: ServerProcess) -> int:
    return ask(server, "SELECT count(snapshot_seq) FROM system.transactions")


def idle_seconds(server: ServerProcess) -> float:
    """Of the open transaction that idled least."""
    return ask(server, "SELECT coalesce(min(idle_ms), 0) FROM system.transactions") / 1000


def ask(server: ServerProcess, sql: str) -> Any:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        [[value]] = cursor.fetchall()
        return value


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
