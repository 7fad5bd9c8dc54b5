"""Statements that would end the process, take its memory or burn for hours: whatever they do, they do it elsewhere.

Where each function is tried: tests/sandbox. Here a server is asked by a client without rights, and others go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.abused import abused_server
from tests.sandbox.descendants import sandboxed
from tests.sandbox.hostile import SHAPES
from tests.support.flight_client import wait_until
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

DEADLINE = "SET statement_timeout_seconds = 2"
ANSWERS = ("22", "42", "53", "54", "57", "0A")  # classes of SQLSTATEs that are an answer; XX and a dead server are none
MEMORY_BYTES = 2_500_000_000  # query.memory_bytes_max, and what the server has besides
REPORTED = (
    "SELECT b, max(a) FROM t GROUP BY b ORDER BY max(a) DESC LIMIT 1000000000000",
    "SELECT DISTINCT b FROM t ORDER BY b LIMIT 1000000000000",
    "SELECT approx_percentile_cont(a, 0.5, 100000000000000) FROM t",
    "SELECT approx_percentile_cont(a, 0.5, 10000000 * 10000000) FROM t",
    "SELECT approx_percentile_cont_with_weight(a, 1, 0.5, 100000000000000) FROM t",
    "SELECT approx_percentile_cont(0.5, 100000000000000) WITHIN GROUP (ORDER BY a) FROM t",
    "SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 100000)))",
    "SELECT length(regexp_replace(repeat('a', 1000000), 'a', repeat('b', 100000), 'g'))",
    "SELECT array_repeat(array_repeat(array_repeat(1, 10000), 10000), 10000)",
    "SELECT arrow_cast(NULL, 'FixedSizeList(1000000, FixedSizeList(1000000, Int64))')",
    "SELECT levenshtein(repeat('ab', 1000000), repeat('ba', 1000000))",
    "SELECT generate_series(TIMESTAMP '1700-01-01', TIMESTAMP '2200-01-01', INTERVAL '1' nanosecond)",
    "SELECT range(0, a) FROM t",
    "INSERT INTO t SELECT a, repeat(b, 2147483647), NULL FROM t",
    "UPDATE t SET b = repeat(b, a) WHERE a > 0",
    "DELETE FROM t WHERE length(repeat(b, a)) > 5",
    "CREATE TEMPORARY TABLE x AS SELECT array_repeat(b, a) AS y FROM t",
    "INSERT INTO t VALUES (1, repeat('a', 2147483647), NULL)",
)


@contextmanager
def connected(server: ServerProcess) -> Iterator[Client]:
    """As a user with rights on one table."""
    with server.connect(user="ann", password="ann-ann-1") as connection:
        yield Client(connection)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with abused_server(tmp_path_factory.mktemp("bounds")) as process:
        with process.connect() as connection:
            client = Client(connection)
            client.do("INSERT INTO t SELECT 2147483647 - value, 'ab' || value, [1] FROM generate_series(1, 200)")
            client.do("CREATE USER 'ann' WITH PASSWORD 'ann-ann-1' ROLE user")
            client.do("GRANT SELECT, INSERT, UPDATE, DELETE ON t TO 'ann'")
        yield process


@pytest.mark.parametrize("sql", [*REPORTED, *(shape.replace("big", "t b") for shape in SHAPES if "big" not in shape)])
def test_a_statement_that_nothing_bounds_ends_by_itself_and_alone(server: ServerProcess, sql: str):
    with connected(server) as client:
        client.do(DEADLINE)
        refused = answer(client, sql)
        assert refused is None or refused.sqlstate.startswith(ANSWERS), str(refused)
        assert client.value("SELECT 1") == 1
    wait_until(lambda: not sandboxed(server.process.pid), seconds=60)
    assert resident_bytes(server) < MEMORY_BYTES


def answer(client: Client, sql: str) -> Refused | None:
    try:
        client.table(sql) if sql.startswith(("SELECT", "WITH", "VALUES", "EXPLAIN")) else client.do(sql)
    except Refused as refused:
        return refused
    return None


def resident_bytes(server: ServerProcess) -> int:
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096


def test_one_user_takes_half_of_the_places_and_others_go_on(server: ServerProcess):
    burning = "SELECT levenshtein(repeat('ab', 2000000), repeat('ba', 2000000))"

    def burn(_: int) -> str | None:
        with connected(server) as client:
            client.do("SET statement_timeout_seconds = 4")
            return client.sqlstate(burning)

    with ThreadPoolExecutor(6) as pool:
        begun = [pool.submit(burn, number) for number in range(6)]
        wait_until(lambda: len(sandboxed(server.process.pid)) == 2, seconds=60)
        with server.connect() as connection:
            assert Client(connection).value("SELECT repeat('ab', a - 2147483447) FROM t WHERE a = 2147483449") == "abab"
        assert {one.result() for one in begun} == {"57014"}


def test_kill_ends_one_that_folds_a_constant(server: ServerProcess):
    sql = "SELECT length(replace(repeat('a', 1000000), 'a', repeat('b', 100000))) AS killed"
    with ThreadPoolExecutor(1) as pool, server.connect() as connection, connected(server) as client:
        begun = pool.submit(client.sqlstate, sql)
        root = Client(connection)
        running = "SELECT query_id FROM system.queries WHERE text = ? AND state = 'running'"
        wait_until(lambda: bool(root.rows(running, (sql,))) and bool(sandboxed(server.process.pid)), seconds=60)
        [(query_id,)] = root.rows(running, (sql,))
        root.do(f"KILL QUERY '{query_id}'")
        assert begun.result(timeout=10) == "57014"
    wait_until(lambda: not sandboxed(server.process.pid), seconds=60)
