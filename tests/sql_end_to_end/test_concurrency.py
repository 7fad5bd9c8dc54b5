"""Several clients at once: no update is lost, no key is taken twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.sql_client import Client, Refused

CLIENTS = 8
TURNS = 50
Connect = Callable[[], Client]


def test_eight_clients_count_to_four_hundred(client: Client, connect: Connect) -> None:
    client.do("CREATE TABLE counter (id INT PRIMARY KEY, n INT); INSERT INTO counter VALUES (1, 0)")
    others = [connect() for _ in range(CLIENTS)]

    def count(one: Client) -> int:
        return sum(one.do("UPDATE counter SET n = n + 1") for _ in range(TURNS))

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert sum(pool.map(count, others)) == CLIENTS * TURNS
    assert client.rows("SELECT * FROM counter") == [(1, CLIENTS * TURNS)]


@pytest.mark.parametrize("upsert", [False, True])
def test_of_all_who_insert_a_key_one_wins(client: Client, connect: Connect, upsert: bool) -> None:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, who INT)")
    others = list(enumerate(connect() for _ in range(CLIENTS)))
    ending = " ON CONFLICT DO NOTHING" if upsert else ""

    def claim(numbered: tuple[int, Client]) -> int:
        who, one = numbered
        won = 0
        for key in range(TURNS // 2):
            try:
                won += one.do(f"INSERT INTO t VALUES ({key}, {who}){ending}")
            except Refused as refused:
                if upsert or refused.sqlstate != "23505":
                    raise
        return won

    with ThreadPoolExecutor(CLIENTS) as pool:
        won = list(pool.map(claim, others))
    assert sum(won) == TURNS // 2
    counted = dict(client.rows("SELECT who, count(*) FROM t GROUP BY who"))
    assert counted == {who: count for who, count in enumerate(won) if count}


MERGE = (
    "MERGE INTO t USING (VALUES ({key}, 1)) AS v(id, n) ON t.id = v.id "
    "WHEN MATCHED THEN UPDATE SET n = t.n + v.n WHEN NOT MATCHED THEN INSERT *"
)
UPSERT = "INSERT INTO t VALUES ({key}, 1) ON CONFLICT (id) DO UPDATE SET n = t.n + excluded.n"


@pytest.mark.parametrize("sql", [UPSERT, MERGE], ids=["upsert", "merge"])
def test_upserts_of_the_same_new_keys_add_up(client: Client, connect: Connect, sql: str) -> None:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
    others = [connect() for _ in range(CLIENTS)]
    keys = range(12)

    def add(one: Client) -> None:
        for key in keys:
            one.do(sql.format(key=key))

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(add, others))
    assert client.rows("SELECT * FROM t ORDER BY id") == [(key, CLIENTS) for key in keys]
