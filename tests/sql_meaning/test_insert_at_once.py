"""A bound INSERT that is stored without a transaction does what one with a transaction does, errors included."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from flight_server.access.principal import Principal
from flight_server.sql.interface.request import Request
from flight_server.sql.run.insert_at_once import insert_at_once
from storage.catalog.users import Role
from storage.errors import Cancelled, FrostlineError
from tests.sql_end_to_end.arrow_columns import arrow_columns
from tests.support.in_process import House
from tests.support.local_client import LocalClient
from tests.support.sql_client import Refused

Outcome = tuple[str, object]
Connect = Callable[[], LocalClient]
COLUMNS = "(id INT PRIMARY KEY, n SMALLINT, t VARCHAR(6), d DECIMAL(5, 2), b BOOLEAN NOT NULL, w TIMESTAMP)"
INSERT = "INSERT INTO {} VALUES (?, ?, ?, ?, ?, ?)"
REPLACE = (
    f"{INSERT} ON CONFLICT (id) DO UPDATE SET n = excluded.n, t = excluded.t, d = excluded.d, b = excluded.b, "
    "w = excluded.w"
)
KINDS = (
    "SMALLINT BIGINT REAL DOUBLE DECIMAL(9,2) BOOLEAN VARCHAR VARCHAR(3) UUID JSON BYTEA DATE TIME TIMESTAMP INTERVAL"
)
STEPS = 400
TAKEN_MIN = 100  # of those steps; fewer would test nothing


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each bound change whether it was stored at once; while `by_transaction` nothing is."""
    found: list[bool] = []

    def noted(*arguments: Any) -> int | None:
        if found and found[-1] is by_transaction:
            return None
        rows = insert_at_once(*arguments)
        found.append(rows is not None)
        return rows

    monkeypatch.setattr("flight_server.sql.executor.insert_at_once", noted)
    return found


by_transaction: Any = object()


@contextmanager
def by_transactions(taken: list[bool]) -> Iterator[None]:
    taken.append(by_transaction)
    try:
        yield
    finally:
        taken.remove(by_transaction)


def outcome(run: Callable[[], object]) -> Outcome:
    try:
        return "done", run()
    except Refused as error:
        return error.sqlstate, error.message
    except FrostlineError as error:
        return error.sqlstate, error.message


def run_batch(client: LocalClient, sql: str, batch: pa.RecordBatch) -> Outcome:
    return outcome(lambda: client.home.statements.run_many(Request(client.session, sql), [batch]))


def a_batch(random: Random) -> pa.RecordBatch:
    """Mostly rows that fit; ids meet each other and what is there."""
    count = random.choice([1, 1, 1, 2, 5])

    def some(*values: Any, odd: Any = None) -> list[Any]:
        return [odd if random.random() < 0.03 else random.choice(values) for _ in range(count)]

    ids = some(*range(30))
    numbers = pa.array(some(1, -7, 32767, None, odd=40000), random.choice([pa.int64(), pa.int32(), pa.float64()]))
    columns = [
        pa.array(ids, random.choice([pa.int64(), pa.int64(), pa.int32(), pa.int8()])),
        numbers,
        pa.array(some("a", "", "ünï", None, odd="much too long")),
        pa.array(some(1.5, 0.25, None, odd=99999.0)),
        pa.array(some(True, False, odd=None)),
        pa.array(some(0, 1_700_000_000_000_000, None), pa.timestamp("us")),
    ]
    return pa.RecordBatch.from_arrays(columns, names=list("123456"))


@pytest.mark.parametrize("seed", range(3))
def test_both_ways_give_the_same_answers_and_leave_the_same_rows(client: LocalClient, taken: list[bool], seed: int):
    random = Random(seed)
    for name in ("one", "other"):
        client.do(f"CREATE TABLE {name} {COLUMNS}")
    for step in range(STEPS):
        if random.random() < 0.05:
            for name in ("one", "other"):
                client.flush(name)
        if random.random() < 0.1:
            for name in ("one", "other"):
                client.do(f"DELETE FROM {name} WHERE id % 4 = {step % 4}")
        sql, batch = random.choice([INSERT, REPLACE]), a_batch(random)
        found = run_batch(client, sql.format("one"), batch)
        with by_transactions(taken):
            other = run_batch(client, sql.format("other"), batch)
        assert found == (other[0], str(other[1]).replace("other", "one") if isinstance(other[1], str) else other[1])
        if step % 20 == 0 or step == STEPS - 1:
            assert client.rows("SELECT * FROM one ORDER BY id") == client.rows("SELECT * FROM other ORDER BY id")
    assert sum(taken) > TAKEN_MIN


def test_a_column_of_any_type_takes_the_same_from_values_of_any_type(client: LocalClient, taken: list[bool]):
    for number, kind in enumerate(KINDS.split()):
        for name in ("one", "other"):
            client.do(f"CREATE TABLE {name}{number} (v {kind})")
        for what, array in arrow_columns().items():
            for row in range(3):
                batch = pa.RecordBatch.from_arrays([array.slice(row, 1)], names=["1"])
                found = run_batch(client, f"INSERT INTO one{number} VALUES (?)", batch)
                with by_transactions(taken):
                    other = run_batch(client, f"INSERT INTO other{number} VALUES (?)", batch)
                assert (found[0], str(found[1]).replace("one", "other")) == (other[0], str(other[1])), (kind, what)
        ours, theirs = (client.table(f"SELECT v FROM {name}{number}") for name in ("one", "other"))
        assert ours.equals(theirs), kind
    assert sum(taken) > TAKEN_MIN


def test_in_a_transaction_it_is_undone_with_it(client: LocalClient, taken: list[bool]):
    client.do("CREATE TABLE t (id INT PRIMARY KEY)")
    client.do("BEGIN")
    assert client.do_many("INSERT INTO t VALUES (?)", [(1,), (2,)]) == 2
    client.do("ROLLBACK")
    assert client.value("SELECT count(*) FROM t") == 0
    assert taken == [False]


def test_a_temporary_table_goes_before_one_of_the_same_name(client: LocalClient, connect: Connect):
    client.do("CREATE TABLE t (id INT)")
    client.do_many("INSERT INTO t VALUES (?)", [(1,)])
    client.do("CREATE TEMPORARY TABLE t (id INT)")
    client.do_many("INSERT INTO t VALUES (?)", [(2,)])
    assert client.rows("SELECT id FROM t") == [(2,)]
    assert connect().rows("SELECT id FROM t") == [(1,)]


def test_a_table_that_is_another_by_now_takes_what_it_needs_now(client: LocalClient, taken: list[bool]):
    insert = "INSERT INTO t (id) VALUES (?)"
    client.do("CREATE TABLE t (id INT)")
    client.do_many(insert, [(1,)])
    client.do("ALTER TABLE t ADD COLUMN n INT DEFAULT 7")
    client.do_many(insert, [(2,)])
    client.do("ALTER TABLE t ALTER COLUMN n DROP DEFAULT")
    client.do_many(insert, [(3,)])
    assert client.rows("SELECT id, n FROM t ORDER BY id") == [(1, 7), (2, 7), (3, None)]
    client.do("DROP TABLE t; CREATE TABLE t (id VARCHAR, n INT)")
    client.do_many(insert, [("x",)])
    assert client.rows("SELECT * FROM t") == [("x", None)]
    assert taken == [True, False, True, True]


def test_events_that_nobody_listens_to_count_for_nothing(client: LocalClient, taken: list[bool]):
    client.do("CREATE STREAM TABLE kept (n INT) WITH (retention = '1h')")
    client.do("CREATE STREAM TABLE gone (n INT) WITH (retention = '1h', ephemeral = true)")
    assert client.do_many("INSERT INTO kept VALUES (?)", [(1,), (2,)]) == 2
    assert client.do_many("INSERT INTO gone VALUES (?)", [(1,), (2,)]) == 0
    assert taken == [True, True]


@pytest.mark.parametrize("level", ["private", "restricted", "public"])
def test_who_may_not_is_told_what_a_transaction_tells(client: LocalClient, home: House, taken: list[bool], level: str):
    client.do(f"CREATE TABLE t (id INT PRIMARY KEY, n INT) WITH (access_level = '{level}')")
    name = f"ann_{client.namespace}"
    client.do(f"CREATE USER '{name}' WITH PASSWORD 'a long password' ROLE user")
    ann = LocalClient(home, home.enter(f"{name}-session", Principal(name, Role.USER)))
    replace = " ON CONFLICT (id) DO UPDATE SET n = excluded.n"
    for grant in (
        "",
        "GRANT INSERT ON t TO {}",
        "GRANT UPDATE ON t TO {}",
        "GRANT SELECT ON t TO {}",
        "REVOKE INSERT ON t FROM {}",
    ):
        if grant:
            client.do(grant.format(f'"{name}"'))
        for more in ("", replace):
            sql = f"INSERT INTO {client.namespace}.t VALUES (?, ?){more}"
            batch = pa.RecordBatch.from_arrays([pa.array([len(taken)]), pa.array([1])], names=["1", "2"])
            found = run_batch(ann, sql, batch)
            again = pa.RecordBatch.from_arrays([pa.array([-len(taken)]), pa.array([1])], names=["1", "2"])
            with by_transactions(taken):
                other = run_batch(ann, sql, again)
            assert found == other, (grant, more)
    assert any(taken)
    assert not all(taken)


def test_a_statement_that_was_stopped_stores_nothing(client: LocalClient):
    client.do("CREATE TABLE t (id INT)")
    batch = pa.RecordBatch.from_arrays([pa.array([1])], names=["1"])
    sql = f"INSERT INTO {client.namespace}.t VALUES (?)"
    with pytest.raises(Cancelled):
        client.home.statements.run_many(Request(client.session, sql, cancelled=lambda: True), [batch])
    assert client.value("SELECT count(*) FROM t") == 0


def test_of_many_upserts_of_one_key_one_row_is_left(connect: Connect, taken: list[bool]):
    """Beside deletes, flushes and inserts of the same keys: nothing is lost, doubled or refused but what is there."""
    first = connect()
    first.do("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
    failures: list[str] = []

    def write(number: int, client: LocalClient) -> None:
        random = Random(number)
        for step in range(60):
            key = random.randrange(5)
            more = random.choice(["", " ON CONFLICT (id) DO UPDATE SET n = excluded.n"])
            found = outcome(lambda: client.do_many(f"INSERT INTO t VALUES (?, ?){more}", [(key, step)]))  # noqa: B023
            if found != ("done", 1) and (more or found[0] != "23505"):
                failures.append(str(found))
            if random.random() < 0.1:
                client.do(f"DELETE FROM t WHERE id = {key}")

    threads = [threading.Thread(target=write, args=(number, connect())) for number in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        first.flush("t")
        threads[0].join(0.05)
    assert failures == []
    for key in range(5):
        first.do_many("INSERT INTO t VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET n = excluded.n", [(key, -1)])
    assert first.rows("SELECT * FROM t ORDER BY id") == [(key, -1) for key in range(5)]
    assert sum(taken) > TAKEN_MIN
