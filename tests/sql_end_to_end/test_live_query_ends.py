"""How live queries end: by their owner, with their table, right, user or reader, and with the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sql_end_to_end.people import People
from tests.support.listener import listen, listen_by_hand, listened_to, make_items
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with listened_to(tmp_path_factory.mktemp("live")) as process:
        yield process


@pytest.fixture
def items(client: Client) -> str:
    return make_items(client)


def test_its_owner_ends_it_and_it_says_how_far_it_came(server: ServerProcess, client: Client, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT id FROM {items}") as live:
        [(live_id,)] = client.rows(f"SELECT live_id FROM system.live_queries WHERE namespace = '{client.namespace}'")
        client.do(f"KILL LIVE QUERY '{live_id}'")
        refused = live.until_refused()
        assert (refused.sqlstate, live_id in refused.message) == ("57014", True)
        assert f"the last _seq delivered is {live.all[-1]['_seq']}" in refused.message


def test_the_drop_of_its_table_ends_it(server: ServerProcess, client: Client, items: str):
    with listen(server, f"SUBSCRIBE TO SELECT id FROM {items}") as live:
        client.do("DROP TABLE items")
        refused = live.until_refused()
        assert refused.sqlstate == "42P01"
        assert "was dropped" in refused.message


def test_a_change_of_a_column_ends_those_that_use_it(server: ServerProcess, client: Client, items: str):
    with (
        listen(server, f"SUBSCRIBE TO SELECT id, name FROM {items}") as by_name,
        listen(server, f"SUBSCRIBE TO SELECT * FROM {items}") as of_all,
        listen(server, f"SUBSCRIBE TO SELECT id, price FROM {items}") as others,
    ):
        client.do("ALTER TABLE items ADD COLUMN note VARCHAR")
        client.do("INSERT INTO items VALUES (4, 'four', 40, 'hm')")
        for live in (by_name, of_all, others):
            live.until_told(4)
        assert "note" not in of_all.all[-1]
        client.do("ALTER TABLE items DROP COLUMN name")
        assert by_name.until_refused().sqlstate == of_all.until_refused().sqlstate == "42703"
        client.do("INSERT INTO items VALUES (5, 50, 'so')")
        others.until_told(5)
        assert others.told("id", "price")[-1] == ("insert", 5, 50)


def test_who_may_not_read_any_more_is_not_told(server: ServerProcess):
    with People(server) as people:
        table = f"{people.namespace}.secret"
        people.root.do(f"CREATE TABLE secret (id INT); GRANT SELECT ON secret TO '{people.name('user')}'")
        login = {"user": people.name("user"), "password": people.password("user")}
        with (
            listen(server, f"SUBSCRIBE TO SELECT id FROM {table}", **login) as live,
            listen(server, f"SUBSCRIBE TO SELECT id FROM {table}") as of_root,
        ):
            user = people.connect("user")
            [(own,)] = user.rows("SELECT live_id FROM system.live_queries")
            [(other,)] = people.root.rows(
                f"SELECT live_id FROM system.live_queries WHERE \"user\" = 'root' AND namespace = '{people.namespace}'"
            )
            assert user.sqlstate(f"KILL LIVE QUERY '{other}'") == "42704"
            people.root.do(f"REVOKE SELECT ON secret FROM '{people.name('user')}'; INSERT INTO secret VALUES (1)")
            assert live.until_refused().sqlstate in ("42501", "42P01")
            assert live.rows == []
            of_root.until_told(1)
            assert user.sqlstate(f"KILL LIVE QUERY '{own}'") == "42704"
            assert user.sqlstate(f"SUBSCRIBE TO SELECT id FROM {table}") in ("3F000", "42501", "42P01")


def test_the_live_queries_of_a_dropped_user_end(server: ServerProcess):
    with People(server) as people:
        people.root.do("CREATE TABLE open (id INT) WITH (access_level = 'public')")
        login = {"user": people.name("user"), "password": people.password("user")}
        with listen_by_hand(server, f"SUBSCRIBE TO SELECT id FROM {people.namespace}.open", **login) as live:
            people.root.do(f"DROP USER '{people.name('user')}'")
            assert live.until_refused().sqlstate == "42501"


def test_execute_as_listens_with_the_rights_of_the_other(server: ServerProcess):
    with People(server) as people:
        name = people.name("user")
        people.root.do(f"CREATE TABLE secret (id INT); GRANT SELECT ON secret TO '{name}'")
        sql = f"SUBSCRIBE TO SELECT id FROM {people.namespace}.secret"
        with listen(server, f"EXECUTE AS USER '{name}' ({sql})") as live:
            people.root.do("INSERT INTO secret VALUES (1)")
            live.until_told(1)
            people.root.do(f"REVOKE SELECT ON secret FROM '{name}'")
            assert live.until_refused().sqlstate in ("42501", "42P01")


def test_who_reads_too_slowly_is_told_how_far_and_goes_on_from_there(server: ServerProcess, client: Client):
    client.do("CREATE TABLE wide (id BIGINT PRIMARY KEY, v VARCHAR)")
    sql = f"SUBSCRIBE TO SELECT id, v FROM {client.namespace}.wide"
    slow = listen(server, sql)  # not entered: nobody reads
    own = f"SELECT count(*) FROM system.live_queries WHERE namespace = '{client.namespace}'"
    written = 0
    while client.value(own):
        client.do("INSERT INTO wide VALUES (?, ?)", [written, str(written % 10) * 300_000])
        written += 1
        assert written < 1000
    with slow:
        refused = slow.until_refused()
    assert refused.sqlstate == "53200"
    last = max(row["_seq"] for row in slow.all)
    assert f"the last _seq delivered is {last}" in refused.message
    with listen(server, f"{sql} WITH (from_seq = {last})") as again:
        rest = written - len(slow.rows)
        again.until_told(rest)
        assert [row["id"] for row in (*slow.rows, *again.rows)] == list(range(written))


def test_nothing_is_left_of_a_client_that_went_away(server: ServerProcess, client: Client, items: str):
    own = f"SELECT count(*) FROM system.live_queries WHERE namespace = '{client.namespace}'"
    listeners = [listen(server, f"SUBSCRIBE TO SELECT id FROM {items}").__enter__() for _ in range(3)]
    never_fetched = server.connect()
    assert client.value(own) == 3
    for live in listeners:
        live.close()
    listeners[0].until(lambda: client.value(own) == 0)
    never_fetched.close()


def test_a_stopping_server_ends_them_and_ends(tmp_path: Path):
    with ServerProcess(tmp_path / "data") as server:
        with server.connect() as connection:
            client = Client(connection)
            client.do("CREATE TABLE t (id INT); INSERT INTO t VALUES (1)")
        with listen_by_hand(server, "SUBSCRIBE TO SELECT id FROM t") as live:
            assert server.stop() == 0
            refused = live.until_refused()
            assert "shutting down" in str(refused)
            assert f"the last _seq delivered is {live.all[-1]['_seq']}" in str(refused)


def test_a_temporary_table_is_not_listened_to(client: Client):
    client.do("CREATE TEMP TABLE mine (id INT)")
    assert client.refusal("SUBSCRIBE TO SELECT id FROM mine").sqlstate == "0A000"
