"""What ends a statement that runs apart, and what is left of it: nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from flight_server.query.engine import QueryEngine
from flight_server.query.results.running_query import Running
from flight_server.query.scan.scope import QueryScope
from storage.errors import Cancelled, FrostlineError, LimitExceeded
from storage.state.state import DatabaseState
from tests.sandbox.descendants import fork_servers, sandboxed
from tests.support.flight_client import wait_until

SCOPE = QueryScope(
    state=DatabaseState(), extra={"t": pa.table({"n": [1, 2, 3], "big": [1 << 31, 1 << 32, 1 << 40], "s": ["ab"] * 3})}
)
BURNING = "SELECT levenshtein(repeat('ab', 2000000), repeat('ba', 2000000)) FROM t"
HOARDING = "SELECT array_repeat(array_repeat(array_repeat(1, 10000), 10000), 10000)"


def started(engine: QueryEngine, sql: str) -> Running:
    return engine.start(engine.plan(sql, SCOPE))


def ours() -> set[int]:
    return sandboxed(os.getpid())


def test_a_cancel_ends_it_at_once_and_leaves_nothing(engine: QueryEngine, directory: Path):
    running = started(engine, BURNING)
    wait_until(lambda: bool(ours()), seconds=60)
    reason = Cancelled("somebody killed it")
    ended: list[BaseException] = []

    def read() -> None:
        try:
            list(running.batches())
        except FrostlineError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    running.cancel(reason)
    reader.join(timeout=10)
    assert ended == [reason]
    wait_until(lambda: not ours(), seconds=60)
    assert not list((directory / "server").glob("apart-*"))


def test_a_reader_that_goes_away_ends_it(engine: QueryEngine):
    running = started(engine, "SELECT unnest(range(0, 1000000000))")
    wait_until(lambda: bool(ours()), seconds=60)
    del running
    wait_until(lambda: not ours(), seconds=60)


def test_more_memory_than_it_may_take_is_an_error_and_not_the_end(engine: QueryEngine):
    with pytest.raises(LimitExceeded, match=r"query\.sandbox_bytes_max") as caught:
        list(started(engine, HOARDING).batches())
    assert caught.value.sqlstate == "53200"
    assert next(started(engine, "SELECT repeat('x', n) AS x FROM t").batches()).num_rows == 3


def test_constants_are_not_folded_here(engine: QueryEngine):
    for sql in ("SELECT length(repeat('ab', 2147483647)) UNION ALL SELECT 1.5", "SELECT repeat('ab', 900000000) || $1"):
        begun = time.process_time()
        plan = engine.plan(sql, SCOPE)
        assert plan.bounds.apart
        assert time.process_time() - begun < 5  # computed here it would take longer, or the process


def test_an_error_inside_keeps_its_kind_and_state(engine: QueryEngine):
    with pytest.raises(FrostlineError) as caught:
        list(started(engine, "SELECT CAST(repeat(s, n) AS INT) FROM t").batches())
    assert caught.value.sqlstate == "22P02"


def test_a_wide_row_is_refused(engine: QueryEngine):
    with pytest.raises(LimitExceeded, match="a row of the result has"):
        list(started(engine, "SELECT repeat(s, 40000000) AS x FROM t WHERE n = 1").batches())


def test_the_fork_server_is_begun_anew_when_it_was_killed(engine: QueryEngine):
    assert list(started(engine, "SELECT repeat(s, n) AS x FROM t").batches())
    [fork_server] = fork_servers(os.getpid())
    os.kill(fork_server, signal.SIGKILL)
    [batch] = started(engine, "SELECT repeat(s, n) AS x FROM t ORDER BY n").batches()
    assert batch.to_pydict() == {"x": ["ab", "abab", "ababab"]}


def test_closing_the_engine_ends_what_runs(directory: Path, engine: QueryEngine):
    from flight_server.sandbox.sandbox import ProcessSandbox
    from storage.cold.file_store import only_local
    from storage.cold.local_store import LocalStore

    places = only_local(LocalStore(directory / "cold"))
    spill = directory / "closed"
    other = QueryEngine(engine.settings, spill, places, sandbox=ProcessSandbox(engine.settings, spill, places))
    running = started(other, BURNING)
    wait_until(lambda: bool(ours()), seconds=60)
    other.close()
    wait_until(lambda: not ours(), seconds=60)
    with pytest.raises(FrostlineError):
        list(running.batches())


def test_many_at_once_share_nothing(engine: QueryEngine):
    found: list[int] = []

    def one(number: int) -> None:
        [batch] = started(engine, f"SELECT length(repeat('x', n * {number})) AS x FROM t WHERE n = 3").batches()
        found.append(batch.column(0)[0].as_py())

    threads = [threading.Thread(target=one, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(found) == [3 * number for number in range(1, 9)]
