"""Live queries as their readers see them: rows that come, in order, each once, until something ends it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pyarrow as pa
import pytest

from tests.sql_end_to_end.people import People
from tests.support.listener import listen, listened_to, make_items, replayed
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with listened_to(tmp_path_factory.mktemp("live")) as process:
        yield process


@pytest.fixture
def items(client: Client) -> str:
    return make_items(client)


def newest_seq(client: Client) -> int:
    return int(client.value("SELECT value FROM system.stats WHERE statistic = 'last_seq'"))


# --- what comes ------------------------------------------------------------------------------------------------


def test_first_the_rows_then_a_progress_row_then_each_change(server: ServerProcess, client: Client, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT id, name FROM {items}") as live:
        assert [row["_change"] for row in live.all[:4]] == ["insert", "insert", "insert", "progress"]
        client.do("INSERT INTO items VALUES (4, 'four', 40)")
        client.do("UPDATE items SET name = 'uno' WHERE id = 1")
        client.do("DELETE FROM items WHERE id = 2")
        live.until_told(6)
        told = live.told("id", "name", "_old_key")
        assert told[:3] == [("insert", 1, "one", None), ("insert", 2, "two", None), ("insert", 3, "three", None)]
        assert told[3:] == [("insert", 4, "four", None), ("update", 1, "uno", 1), ("delete", 2, "two", 2)]
        seqs = [row["_seq"] for row in live.rows]
        assert seqs == sorted(seqs)
        assert [row["_updated"].timestamp() * 1000 for row in live.rows] == [seq >> 20 for seq in seqs]


def test_a_row_that_begins_or_ends_to_match_comes_and_goes(server: ServerProcess, client: Client, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT id, price * 2 AS twice FROM {items} WHERE price >= 20") as live:
        client.do("UPDATE items SET price = 25 WHERE id = 1")
        client.do("UPDATE items SET price = 5 WHERE id = 2")
        client.do("UPDATE items SET price = 35 WHERE id = 3")
        client.do("UPDATE items SET price = 6 WHERE id = 2")
        client.do("DELETE FROM items WHERE id = 2")
        client.do("DELETE FROM items WHERE id = 3")
        live.until_told(6)
        assert live.told("id", "twice")[2:] == [
            ("insert", 1, 50),
            ("delete", 2, 40),
            ("update", 3, 70),
            ("delete", 3, 70),
        ]


def test_without_a_primary_key_an_update_is_a_delete_and_an_insert(server: ServerProcess, client: Client):
    client.do("CREATE TABLE notes (n INT, v VARCHAR)")
    with listen(server, f"SUBSCRIBE TO SELECT * FROM {client.namespace}.notes") as live:
        client.do("INSERT INTO notes VALUES (1, 'a')")
        client.do("UPDATE notes SET v = 'b'")
        live.until_told(3)
        assert live.told("n", "v") == [("insert", 1, "a"), ("delete", 1, "a"), ("insert", 1, "b")]
        assert "_old_key" not in live.all[0]


def test_a_changed_key_is_a_delete_and_an_insert(server: ServerProcess, client: Client, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT id FROM {items} WITH (snapshot = FALSE)") as live:
        client.do("UPDATE items SET id = 9 WHERE id = 3")
        live.until_told(2)
        assert live.told("id", "_old_key") == [("delete", 3, 3), ("insert", 9, None)]


def test_a_transaction_is_told_at_its_commit_and_what_is_undone_is_not_told(
    server: ServerProcess, client: Client, items: str
):
    with listen(server, f"SUBSCRIBE TO SELECT id, name FROM {items} WITH (snapshot = FALSE)") as live:
        client.do("BEGIN; INSERT INTO items VALUES (7, 'never', 0); ROLLBACK")
        client.do(
            "BEGIN; INSERT INTO items VALUES (8, 'gone', 0), (9, 'new', 0); DELETE FROM items WHERE id = 8; "
            "UPDATE items SET name = 'a' WHERE id = 1; UPDATE items SET name = 'b' WHERE id = 1; COMMIT"
        )
        live.until_seq(newest_seq(client))
        assert sorted(live.told("id", "name")) == [("insert", 9, "new"), ("update", 1, "b")]


def test_rows_that_were_moved_to_files_are_no_change_and_their_old_values_are_found(
    server: ServerProcess, client: Client, items: str
):
    with listen(server, f"SUBSCRIBE TO SELECT id, name FROM {items}") as live:
        client.flush("items")
        client.compact("items")
        client.do("UPDATE items SET name = 'zwei' WHERE id = 2")
        client.do("DELETE FROM items WHERE id = 1")
        live.until_told(5)
        assert live.told("id", "name")[3:] == [("update", 2, "zwei"), ("delete", 1, "one")]
        live.until_seq(newest_seq(client))
        assert len(live.rows) == 5


def test_a_key_of_several_columns_comes_as_a_struct(server: ServerProcess, client: Client):
    client.do("CREATE TABLE pairs (a INT, b VARCHAR, v INT, PRIMARY KEY (a, b))")
    with listen(server, f"SUBSCRIBE TO SELECT v FROM {client.namespace}.pairs") as live:
        client.do("INSERT INTO pairs VALUES (1, 'x', 5)")
        client.do("DELETE FROM pairs")
        live.until_told(2)
        assert live.told("v", "_old_key") == [("insert", 5, None), ("delete", 5, {"a": 1, "b": "x"})]


def test_system_columns_may_be_named_and_are_there_once(server: ServerProcess, client: Client, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT _seq, id, _deleted FROM {items} WHERE _seq > 0") as live:
        assert list(live.all[0]) == ["_change", "_seq", "_updated", "_old_key", "id", "_deleted"]


def test_ingested_rows_are_told(server: ServerProcess, client: Client):
    client.do("CREATE TABLE loaded (k BIGINT, v VARCHAR)")
    with listen(server, f"SUBSCRIBE TO SELECT k FROM {client.namespace}.loaded WHERE k % 2 = 0") as live:
        client.ingest("loaded", pa.table({"k": pa.array(range(1000)), "v": ["x"] * 1000}), mode="append")
        live.until_told(500)
        assert [row["k"] for row in live.rows] == list(range(0, 1000, 2))


# --- options ---------------------------------------------------------------------------------------------------


def test_last_rows_are_the_newest_in_their_order(server: ServerProcess, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT id FROM {items} WITH (last_rows = 2)") as live:
        assert live.told("id") == [("insert", 2), ("insert", 3)]


def test_batch_size_bounds_the_batches(server: ServerProcess, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT id FROM {items} WITH (batch_size = 2)") as live:
        assert live.batches[:3] == [2, 1, 1]


def test_parameters_stand_for_values_and_for_options(server: ServerProcess, client: Client, items: str):
    sql = f"SUBSCRIBE TO SELECT id FROM {items} WHERE price > ? WITH (last_rows = ?)"
    assert client.parameters(sql) == [pa.int32(), pa.int64()]
    with listen(server, sql, [15, 1]) as live:
        client.do("INSERT INTO items VALUES (4, 'four', 40), (5, 'five', 5)")
        live.until_told(2)
        assert live.told("id") == [("insert", 3), ("insert", 4)]


def test_progress_rows_go_on_while_nothing_happens_and_tell_what_is_done(
    server: ServerProcess, client: Client, items: str
):
    with listen(server, f"SUBSCRIBE TO SELECT id FROM {items}") as live:
        live.until(lambda: len(live.progress) >= 3)
        client.do("CREATE TABLE other (n INT); INSERT INTO other VALUES (1)")
        live.until_seq(newest_seq(client))
        assert live.progress == sorted(live.progress)
        assert [row["id"] for row in live.all if row["_change"] == "progress"] == [None] * len(live.progress)


@pytest.mark.parametrize(
    ("sql", "sqlstate", "words"),
    [
        ("SUBSCRIBE TO SELECT count(*) FROM items", "0A000", "an aggregate"),
        ("SUBSCRIBE TO SELECT max(id) FROM items", "0A000", "an aggregate"),
        ("SUBSCRIBE TO SELECT row_number() OVER () FROM items", "0A000", "a window function"),
        ("SUBSCRIBE TO SELECT DISTINCT id FROM items", "0A000", "DISTINCT"),
        ("SUBSCRIBE TO SELECT a.id FROM items a JOIN items b ON a.id = b.id", "0A000", "a join"),
        ("SUBSCRIBE TO SELECT items.id FROM items, items AS b", "0A000", "a join"),
        ("SUBSCRIBE TO SELECT id FROM (SELECT * FROM items)", "0A000", "a subquery"),
        ("SUBSCRIBE TO SELECT id FROM items WHERE id IN (SELECT 1)", "0A000", "a subquery"),
        ("SUBSCRIBE TO SELECT id FROM items ORDER BY id", "0A000", "ORDER BY"),
        ("SUBSCRIBE TO SELECT id FROM items WHERE id > 1 LIMIT 3", "0A000", "LIMIT"),
        ("SUBSCRIBE TO SELECT id FROM items GROUP BY id", "0A000", "GROUP BY"),
        ("SUBSCRIBE TO SELECT id FROM items UNION SELECT 1", "0A000", "UNION"),
        ("SUBSCRIBE TO WITH a AS (SELECT 1) SELECT * FROM a", "0A000", "WITH"),
        ("SUBSCRIBE TO SELECT id FROM seen", "0A000", "is a view"),
        ("SUBSCRIBE TO SELECT * FROM system.jobs", "0A000", "is a system table"),
        ("SUBSCRIBE TO SELECT id FROM nowhere", "42P01", "does not exist"),
        ("SUBSCRIBE TO SELECT nothing FROM items", "42703", "nothing"),
        ("SUBSCRIBE TO SELECT id FROM items WITH (speed = 1)", "22023", "batch_size, from_seq, last_rows, snapshot"),
        ("SUBSCRIBE TO SELECT id FROM items WITH (batch_size = 0)", "22023", "from 1 up"),
        ("SUBSCRIBE TO SELECT id FROM items WITH (from_seq = 1, last_rows = 1)", "22023", "from_seq"),
        ("SUBSCRIBE TO SELECT id FROM items WITH (from_seq = 9000000000000000000)", "22023", "newer than the newest"),
        ("SUBSCRIBE TO SELECT id AS _change FROM items", "22023", "_change"),
        ("SUBSCRIBE TO SELECT id FROM items; SELECT 1", "22023", "last statement"),
        ("EXPLAIN SUBSCRIBE TO SELECT id FROM items", "0A000", "EXPLAIN"),
        ("BEGIN; SUBSCRIBE TO SELECT id FROM items", "0A000", "transaction"),
        ("KILL LIVE QUERY 'LQ-nobody'", "42704", "LQ-nobody"),
    ],
)
def test_what_can_not_be_told_row_by_row_is_refused_by_name(
    client: Client, items: str, sql: str, sqlstate: str, words: str
):
    client.do("CREATE VIEW seen AS SELECT * FROM items")
    refused = client.refusal(sql)
    assert refused.sqlstate == sqlstate
    assert words in refused.message


# --- nothing missing, nothing twice ------------------------------------------------------------------------------


def churn(connect: Callable[[], Client], writer: int, rounds: int) -> None:
    """Inserts, updates, deletes and brings back keys of its own, some in transactions."""
    client, chance = connect(), random.Random(writer)
    keys = range(writer * 100, writer * 100 + 20)
    for n in range(rounds):
        key = chance.choice(keys)
        upsert = f"INSERT INTO churned VALUES ({key}, {n}) ON CONFLICT (id) DO UPDATE SET v = {n}"
        other = f"DELETE FROM churned WHERE id = {chance.choice(keys)}"
        client.do(chance.choice([upsert, upsert, other, f"BEGIN; {upsert}; {other}; COMMIT"]))


def test_no_gap_and_no_double_while_many_write_and_listeners_come(
    server: ServerProcess, client: Client, connect: Callable[[], Client]
):
    client.do("CREATE TABLE churned (id BIGINT PRIMARY KEY, v INT)")
    sql = f"SUBSCRIBE TO SELECT id, v FROM {client.namespace}.churned"
    threads = [threading.Thread(target=churn, args=(connect, writer, 60)) for writer in range(3)]
    listeners = [listen(server, sql).__enter__()]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if len(listeners) < 8:
            listeners.append(listen(server, sql).__enter__())
        if len(listeners) == 4:
            client.flush("churned")
        threads[0].join(0.05)
    expected = dict(client.rows("SELECT id, v FROM churned"))
    for live in listeners:
        live.until_seq(newest_seq(client))
        assert live.refused is None
        assert {key: row["v"] for key, row in replayed(live.rows, "id").items()} == expected
        live.close()


def test_after_a_disconnect_the_rest_is_told_from_where_it_was(
    server: ServerProcess, client: Client, connect: Callable[[], Client]
):
    client.do("CREATE TABLE churned (id BIGINT PRIMARY KEY, v INT)")
    sql = f"SUBSCRIBE TO SELECT id, v FROM {client.namespace}.churned"
    told = []
    with listen(server, sql) as live:
        churn(connect, 1, 20)
        live.until_seq(newest_seq(client))
        told += live.rows
    for again in range(3):
        churn(connect, 1, 20)
        if again == 1:
            client.flush("churned")
        with listen(server, f"{sql} WITH (from_seq = {told[-1]['_seq']})") as live:
            churn(connect, 1, 5)
            live.until_seq(newest_seq(client))
            assert all(row["_seq"] > told[-1]["_seq"] for row in live.rows)
            told += live.rows
    expected = dict(client.rows("SELECT id, v FROM churned"))
    assert {key: row["v"] for key, row in replayed(told, "id").items()} == expected
    assert {row["_change"] for row in told} == {"insert", "update", "delete"}


def test_what_is_not_kept_any_more_can_not_be_gone_on_from(client: Client):
    client.do("CREATE TABLE brief (id BIGINT PRIMARY KEY) WITH (deleted_retention = '0')")
    client.do("INSERT INTO brief VALUES (1), (2)")
    [(last,)] = client.rows("SELECT max(_seq) FROM brief")
    client.do("DELETE FROM brief WHERE id = 1")
    client.flush("brief")
    client.compact("brief")
    refused = client.refusal(f"SUBSCRIBE TO SELECT id FROM brief WITH (from_seq = {last})")
    assert (refused.sqlstate, "deleted_retention" in refused.message) == ("22023", True)


# --- streams and user tables -------------------------------------------------------------------------------------


def test_events_come_as_they_are_inserted_and_their_eviction_is_not_told(server: ServerProcess, client: Client):
    client.do("CREATE STREAM TABLE ticks (n INT) WITH (retention = '1h', max_buffer = 3)")
    table = f"{client.namespace}.ticks"
    client.do("INSERT INTO ticks VALUES (0)")
    with listen(server, f"SUBSCRIBE TO SELECT n FROM {table}") as live:
        client.do("INSERT INTO ticks VALUES " + ", ".join(f"({n})" for n in range(1, 9)))
        client.do("INSERT INTO ticks VALUES (9)")
        live.until_told(10)
        client.do("EVICT TABLE ticks")
        live.until_seq(newest_seq(client))
        assert live.told("n") == [("insert", n) for n in range(10)]
        seqs = [row["_seq"] for row in live.rows]
    with listen(server, f"SUBSCRIBE TO SELECT n FROM {table} WITH (from_seq = {seqs[-3]})") as live:
        assert live.told("n") == [("insert", 8), ("insert", 9)]
    refused = client.refusal(f"SUBSCRIBE TO SELECT n FROM {table} WITH (from_seq = {seqs[2]})")
    assert (refused.sqlstate, "max_buffer" in refused.message) == ("22023", True)


def test_an_ephemeral_event_finds_who_listens_or_is_discarded(
    server: ServerProcess, client: Client, connect: Callable[[], Client]
):
    client.do("CREATE STREAM TABLE passing (n INT) WITH (retention = '1h', ephemeral = true)")
    accepted: list[int] = []
    done = threading.Event()

    def write() -> None:
        writer = connect()
        for n in range(1000):
            if writer.do(f"INSERT INTO passing VALUES ({n})"):
                accepted.append(n)
            if done.is_set():
                return

    thread = threading.Thread(target=write)
    thread.start()
    told: list[int] = []
    for _ in range(4):
        with listen(server, f"SUBSCRIBE TO SELECT n FROM {client.namespace}.passing WITH (snapshot = FALSE)") as live:
            live.until_told(5)
            told += [row["n"] for row in live.rows]
    done.set()
    thread.join()
    assert set(told) <= set(accepted)  # who went away may not have read its last ones
    assert len(told) == len(set(told))
    for n, following in pairwise(told):
        assert following > n
    assert client.value("SELECT count(*) FROM passing") == len(accepted)


def test_each_user_hears_of_their_own_rows_alone(server: ServerProcess):
    with People(server) as people:
        people.root.do("CREATE USER TABLE mine (id INT PRIMARY KEY, v VARCHAR)")
        sql = f"SUBSCRIBE TO SELECT id, v FROM {people.namespace}.mine"
        logins = {role: {"user": people.name(role), "password": people.password(role)} for role in ("user", "service")}
        own = {role: people.connect(role) for role in logins}
        table = f"{people.namespace}.mine"
        with (
            listen(server, sql, **logins["user"]) as of_user,
            listen(server, sql, **logins["service"]) as of_service,
        ):
            for role, connection in own.items():
                connection.do(f"INSERT INTO {table} VALUES (1, '{role}'), (2, '{role}')")
                connection.do(f"UPDATE {table} SET v = 'new' WHERE id = 1")
                connection.do(f"DELETE FROM {table} WHERE id = 2")
            for role, live in (("user", of_user), ("service", of_service)):
                live.until_told(4)
                live.until_seq(newest_seq(people.root))
                told = [("insert", 1, role), ("insert", 2, role), ("update", 1, "new"), ("delete", 2, role)]
                assert live.told("id", "v") == told
            first = of_user.rows[0]["_seq"]
        with listen(server, f"{sql} WITH (from_seq = {first})", **logins["user"]) as again:
            assert again.told("id")[1:] == [("update", 1), ("delete", 2)]
        with listen(server, f"EXECUTE AS USER '{people.name('user')}' ({sql})", **logins["service"]) as acting:
            assert acting.told("id", "v") == [("insert", 1, "new")]
