"""Statements made to take all memory: they fail, are cancelled or end, and meanwhile others are served.

Two kinds:
  held     by the engine's memory pool, by spilling, by a limit on pairs, by the guard or by the statement's time: the
           server's memory stays under a limit that is stated here
  escaped  ones that no limit of ours sees, because the engine takes memory for values without asking its pool (a text
           that is doubled again and again, a running string_agg). They are run under RLIMIT_AS, as behind a container's
           limit. The server may die of them. What was acknowledged may not.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.long.conftest import Shift
from tests.faults.long.figures import MIB, figures_of, forget_peak, peak_rss_mib
from tests.faults.long.neighbour import Neighbour
from tests.faults.mixed_load import gone_quietly
from tests.support.server_process import ServerProcess

POOL_BYTES = 256 * MIB
STATEMENT_SECONDS = 6.0
RSS_MIB_MAX = 2000  # the pool, eight times: buffers between partitions and what allocators keep are not in it
FRESH_MIB_MAX = 700  # allocators keep what they had: from here on the next statement gets a new server
ADDRESS_BYTES_MAX = 12 << 30  # threads' stacks and reserved heaps count too
HANG_SECONDS = 60.0
CONFIG = f"[query]\nmemory_bytes_max = {POOL_BYTES}\nstatement_seconds_max = {STATEMENT_SECONDS}\n"

HELD = {
    "sort": (
        "SELECT count(*) FROM (SELECT repeat(value::varchar, 20) s FROM generate_series(1, 20000000) "
        "ORDER BY s OFFSET 1)"
    ),
    "group by": "SELECT count(*) FROM (SELECT value FROM generate_series(1, 20000000) GROUP BY value)",
    "group by text": (
        "SELECT count(*) FROM (SELECT 'a text of some length ' || value FROM generate_series(1, 10000000) GROUP BY 1)"
    ),
    "distinct": "SELECT count(DISTINCT value) FROM generate_series(1, 50000000)",
    "array_agg": "SELECT array_length(array_agg(value)) FROM generate_series(1, 100000000)",
    "string_agg": "SELECT length(string_agg(repeat('x', 100), ',')) FROM generate_series(1, 50000000)",
    "median": "SELECT median(value) FROM generate_series(1, 100000000)",
    "repeat": "SELECT length(repeat('x', 1000000000))",
    "lpad": "SELECT length(lpad('x', 2000000000, 'y'))",
    "rpad": "SELECT length(rpad('x', 2000000000, 'y'))",
    "array_repeat": "SELECT array_length(array_repeat(1, 1000000000))",
    "array_resize": "SELECT array_length(array_resize([1], 1000000000, 0))",
    "cross join": (
        "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a.value + b.value > 5"
    ),
    "cross join of rows": "SELECT a.value, b.value FROM generate_series(1, 100000000) a, generate_series(1, 90) b",
    "hash join": (
        "SELECT count(*) FROM generate_series(1, 30000000) a JOIN generate_series(1, 30000000) b ON a.value = b.value"
    ),
    "exploding join": (
        "SELECT count(*) FROM generate_series(1, 50000) a JOIN generate_series(1, 50000) b ON a.value % 2 = b.value % 2"
    ),
    "window": "SELECT sum(r) FROM (SELECT row_number() OVER (ORDER BY value DESC) r FROM generate_series(1, 10000000))",
    "regexp": "SELECT regexp_like(repeat('a', 1000000), '(a{0,1000}){0,1000}b')",
    "backtracking regexp": (
        "SELECT count(*) FROM generate_series(1, 100000) WHERE regexp_like(value::varchar, '((a*)*)*b|(x+x+)+y')"
    ),
    "endless series": "SELECT count(*) FROM generate_series(1, 1000000000000000000)",
    "series as a value": "SELECT array_length(generate_series(1, 1000000000000000000))",
    "range as a value": "SELECT array_length(range(1, 1000000000))",
    "unnest": "SELECT count(*) FROM (SELECT unnest(generate_series(1, 500000000)))",
    "endless recursion": "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "branching recursion": (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r, generate_series(1, 10)) "
        "SELECT count(*) FROM r"
    ),
    "intersect": (
        "SELECT count(*) FROM (SELECT value FROM generate_series(1, 50000000) INTERSECT SELECT value "
        "FROM generate_series(1, 50000000))"
    ),
    "rows of a megabyte": "SELECT repeat('x', 1000000) FROM generate_series(1, 100000)",
}
ESCAPED = {
    "doubled text": (
        "SELECT length(b || b || b || b || b || b || b || b) FROM (SELECT a || a || a || a || a || a || a || a b "
        "FROM (SELECT repeat('x', 9000000 + value) a FROM generate_series(1, 4)))"
    ),
    "a computed number of copies": "SELECT length(repeat('x', 1000000 * 1000))",
    "replaced text": "SELECT length(replace(repeat('x', 10000000), 'x', repeat('y', 1000)))",
    "running string_agg": (
        "SELECT max(length(s)) FROM (SELECT string_agg(value::varchar, ',') OVER (ORDER BY value) s "
        "FROM generate_series(1, 60000))"
    ),
    "many series as values": "SELECT sum(array_length(generate_series(1, value))) FROM generate_series(1, 100000)",
}

pytestmark = pytest.mark.long(weight=2)


class Servers:
    """One server at a time on a directory; a new one when the last has died or grown large."""

    def __init__(self, directory: Path) -> None:
        (directory / "frostline.toml").write_text(CONFIG)
        self._directory = directory
        self._now: ServerProcess | None = None

    def one(self) -> ServerProcess:
        if self._now is not None and self._is_small(self._now):
            return self._now
        self.end()
        self._now = ServerProcess(self._directory / "data", "--config", str(self._directory / "frostline.toml"))
        self._now.start()
        self._now.wait_ready()
        return self._now

    def end(self) -> None:
        if self._now is not None:
            self._now.end()

    def _is_small(self, server: ServerProcess) -> bool:
        return server.process.poll() is None and figures_of(server.process.pid).rss_mib < FRESH_MIB_MAX


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.end()


def test_statements_that_want_all_memory_are_held(servers: Servers, shift: Shift):
    names = shift.random.sample(list(HELD), len(HELD))
    for round_ in shift.rounds(len(names)):
        name, server = names[round_ % len(names)], servers.one()
        forget_peak(server.process.pid)
        begun = time.monotonic()
        with Neighbour(server) as neighbour:
            outcome = told(server, HELD[name])
        seconds, peak = time.monotonic() - begun, peak_rss_mib(server.process.pid)
        print(f"{name}: {seconds:.1f} s, peak {peak} MiB, {neighbour}, {outcome[:100]}")
        assert "Traceback" not in outcome
        assert seconds < HANG_SECONDS
        assert peak < RSS_MIB_MAX, name
        neighbour.check()


def test_statements_that_escape_every_limit_cost_no_acknowledged_row(servers: Servers, shift: Shift):
    names = shift.random.sample(list(ESCAPED), len(ESCAPED))
    rows, deaths = 0, 0
    for round_ in shift.rounds(len(names)):
        name, server = names[round_ % len(names)], servers.one()
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS t (k BIGINT PRIMARY KEY)")
            cursor.execute(f"INSERT INTO t VALUES ({rows})")
            rows += 1
            cursor.execute("SELECT count(*), max(k) FROM t")
            assert cursor.fetchall() == [(rows, rows - 1)]
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (ADDRESS_BYTES_MAX, ADDRESS_BYTES_MAX))
        outcome = told(server, ESCAPED[name])
        time.sleep(0.5)
        dead = server.process.poll() is not None
        deaths += dead
        print(f"{name}: {'the server died' if dead else 'the server lives'}, {outcome[:100]}")
        assert "Traceback" not in outcome
        server.end()
    with servers.one().connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), max(k) FROM t")
        assert cursor.fetchall() == [(rows, rows - 1)]
    print(f"{deaths} deaths")


def told(server: ServerProcess, sql: str) -> str:
    """The first row, or the error."""
    try:
        with gone_quietly(server.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
            cursor.execute(sql)
            return str(cursor.fetchone())[:200]
    except Exception as error:
        return str(error)
