"""Temporary tables: every statement works on them, nobody else sees them, and they go with their session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

Connect = Callable[[], Client]
ROWS = pa.table({"id": pa.array([7, 8], pa.int32()), "name": ["seven", "eight"]})


@pytest.fixture
def own(client: Client) -> Client:
    client.do("CREATE TEMP TABLE t (id INT PRIMARY KEY, name VARCHAR DEFAULT 'none'); INSERT INTO t VALUES (1, 'a')")
    return client


def test_every_change_of_rows_works(own: Client) -> None:
    assert own.do("INSERT INTO t (id) VALUES (2), (3)") == 2
    assert own.do("UPDATE t SET name = 'b' WHERE id = 2") == 1
    assert own.do("DELETE FROM t WHERE id = 3") == 1
    assert own.do("INSERT INTO t VALUES (2, 'c'), (4, 'd') ON CONFLICT (id) DO UPDATE SET name = excluded.name") == 2
    merge = "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, 'm')"
    assert own.do(f"MERGE INTO t USING (VALUES (1), (5)) AS s (id) ON t.id = s.id {merge}") == 2
    assert own.do_many("INSERT INTO t VALUES (?, ?)", [(6, "x"), (9, "y")]) == 2
    assert own.rows("UPDATE pg_temp.t SET name = 'z' WHERE id = 9 RETURNING id, name") == [(9, "z")]
    assert own.sqlstate("INSERT INTO t VALUES (4, 'again')") == "23505"
    assert own.rows("SELECT * FROM t ORDER BY id") == [(2, "c"), (4, "d"), (5, "m"), (6, "x"), (9, "z")]
    assert own.do("TRUNCATE t") == 5
    assert own.do("INSERT INTO t VALUES (4, 'free again')") == 1


def test_definitions_work(own: Client) -> None:
    own.do("ALTER TABLE t ADD COLUMN n INT DEFAULT 5; ALTER TABLE t RENAME COLUMN name TO label")
    own.do("COMMENT ON TABLE t IS 'mine'")
    assert own.rows("SELECT id, label, n FROM t") == [(1, "a", 5)]
    own.do("ALTER TABLE t RENAME TO u")
    assert own.rows("SELECT id FROM pg_temp.u") == [(1,)]
    assert "CREATE TEMPORARY TABLE" in own.rows("SHOW CREATE TABLE u")[0][1]
    assert len(own.rows("DESCRIBE u")) == 3
    own.do("CREATE OR REPLACE TEMP TABLE u AS SELECT 1 AS one; CREATE TEMP TABLE IF NOT EXISTS u (a INT)")
    assert own.rows("SELECT * FROM u") == [(1,)]
    own.do("DROP TABLE u")
    assert own.sqlstate("SELECT * FROM u") == "42P01"


def test_they_join_with_tables_of_the_database(own: Client) -> None:
    own.do("CREATE TABLE kept (id INT, n INT); INSERT INTO kept VALUES (1, 10), (2, 20)")
    assert own.rows("SELECT kept.n FROM kept JOIN t USING (id)") == [(10,)]
    own.do("INSERT INTO kept SELECT id + 100, 0 FROM t; UPDATE kept SET n = 5 FROM t WHERE kept.id = t.id")
    assert own.rows("SELECT * FROM kept ORDER BY id") == [(1, 5), (2, 20), (101, 0)]


def test_a_bare_name_means_the_temporary_table_and_a_full_one_the_other(own: Client, connect: Connect) -> None:
    full = f"{own.namespace}.t"
    own.do(f"CREATE TABLE t (id INT, real VARCHAR); INSERT INTO {full} VALUES (50, 'kept')")
    assert own.rows("SELECT * FROM t") == [(1, "a")]
    assert own.rows(f"SELECT * FROM {full}") == [(50, "kept")]
    own.do("DELETE FROM t")
    assert (own.value("SELECT count(*) FROM t"), own.value(f"SELECT count(*) FROM {full}")) == (0, 1)
    assert connect().rows("SELECT * FROM t") == [(50, "kept")]
    own.do("DROP TABLE t")
    assert own.rows("SELECT * FROM t") == [(50, "kept")]


def test_the_same_text_means_another_table_in_another_session(own: Client, connect: Connect) -> None:
    other = connect()
    other.do("CREATE TABLE t (id INT); INSERT INTO t VALUES (77)")
    for _ in range(2):
        assert other.rows("SELECT id FROM t") == [(77,)]
        assert own.rows("SELECT id FROM t") == [(1,)]


def test_nobody_else_sees_them(own: Client, connect: Connect) -> None:
    other = connect()
    for sql in ("SELECT * FROM t", "SELECT * FROM pg_temp.t", "INSERT INTO pg_temp.t VALUES (1, 'x')", "DROP TABLE t"):
        assert other.sqlstate(sql) in ("42P01", "3F000"), sql
    listed = "SELECT count(*) FROM system.tables WHERE namespace = 'pg_temp'"
    assert (own.value(listed), other.value(listed)) == (1, 0)
    assert own.rows("SHOW TABLES IN pg_temp") == [("pg_temp", "t", "shared")]
    objects = [
        client.connection.adbc_get_objects(depth="tables", db_schema_filter="pg_temp").read_all().to_pylist()
        for client in (own, other)
    ]
    assert ["'t'" in str(found) for found in objects] == [True, False]
    assert "'LOCAL TEMPORARY'" in str(objects[0])


def test_a_transaction_takes_them_along(own: Client) -> None:
    own.do("CREATE TABLE kept (id INT); BEGIN; INSERT INTO t VALUES (2, 'b'); INSERT INTO kept VALUES (2)")
    own.do("CREATE TEMP TABLE u (a INT); INSERT INTO u VALUES (1); SAVEPOINT s; INSERT INTO u VALUES (2); DROP TABLE t")
    assert own.sqlstate("SELECT * FROM t") == "42P01"
    own.do("ROLLBACK TO s")
    assert (own.value("SELECT count(*) FROM u"), own.value("SELECT count(*) FROM t")) == (1, 2)
    own.do("COMMIT")
    assert (own.value("SELECT count(*) FROM u"), own.value("SELECT count(*) FROM kept")) == (1, 1)
    own.do("BEGIN; DELETE FROM t; DROP TABLE u; CREATE TEMP TABLE v (a INT); ROLLBACK")
    assert (own.value("SELECT count(*) FROM t"), own.value("SELECT count(*) FROM u")) == (2, 1)
    assert own.sqlstate("SELECT * FROM v") == "42P01"
    assert own.sqlstate("INSERT INTO t VALUES (2, 'taken')") == "23505"


def test_ingest_makes_and_fills_them(client: Client, connect: Connect) -> None:
    options: dict[str, Any] = {"temporary": True, "db_schema_name": None}
    assert client.ingest("loaded", ROWS, **options) == 2
    assert client.ingest("loaded", ROWS, mode="append", **options) == 2
    assert client.ingest("loaded", ROWS, mode="append", db_schema_name=None) == 2
    assert client.value("SELECT count(*) FROM loaded") == 6
    assert client.ingest("loaded", ROWS, mode="replace", **options) == 2
    assert client.value("SELECT count(*) FROM loaded") == 2
    assert connect().sqlstate("SELECT * FROM loaded") == "42P01"


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("CREATE TEMP TABLE public.u (a INT)", "42P16"),
        ("CREATE VIEW pg_temp.v AS SELECT 1 AS one", "42939"),
        ("CREATE VIEW v AS SELECT * FROM t", "42P01"),
        ("CREATE VIEW v AS SELECT * FROM pg_temp.t", "42P01"),
        ("SELECT * FROM t AS OF VERSION 1", "0A000"),
        ("FLUSH TABLE t", "22023"),
        ("COMPACT TABLE t", "22023"),
        ("SCRUB TABLE t", "22023"),
        ("GRANT SELECT ON t TO 'root'", "22023"),
        ("CREATE NAMESPACE pg_temp", "42939"),
        ("CREATE TEMP TABLE t (a INT)", "42P07"),
        ("SELECT nothing FROM t", "42703"),
        ("SELECT * FROM missing", "42P01"),
        ("SELECT * FROM pg_temp.missing", "42P01"),
    ],
)
def test_what_they_can_not_do_is_refused_in_a_sentence(own: Client, sql: str, sqlstate: str) -> None:
    refused = own.refusal(sql)
    assert (refused.sqlstate, "_session" in refused.message) == (sqlstate, False), refused
    assert own.rows("SELECT id FROM t") == [(1,)]


def test_users_without_rights_may_have_them(server: ServerProcess) -> None:
    with server.connect() as connection:
        Client(connection).do("CREATE USER 'tess' WITH PASSWORD 'a long password'")
    with server.connect(user="tess", password="a long password") as connection:
        tess = Client(connection)
        tess.do("CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (1); UPDATE t SET a = 2")
        tess.do("ALTER TABLE t ADD COLUMN b INT")
        assert tess.rows("SELECT * FROM t") == [(2, None)]
        assert tess.ingest("u", ROWS, temporary=True, db_schema_name=None) == 2
        assert tess.sqlstate("CREATE TABLE mine (a INT)") == "42501"
        tess.do("DROP TABLE t; DROP TABLE u")
