"""The matrix on a running server: role x kind of statement x access level, grants, and what each may know of."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest
from adbc_driver_manager import Error

from flight_server.wire import flight_sql_pb2 as pb
from tests.sql_end_to_end.people import People
from tests.support.people import ROLES
from tests.support.rights_matrix import BY_ROLE, DENIED, HIDDEN, LEVELS, LOOKS, OK, ON_ROWS, expected, filled, prepared
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

# By role alone, and then for those who may know of the table.
FLUSHES = ("FLUSH TABLE {t}",)
DEFINES = (
    "COMPACT TABLE {t}",
    "COMMENT ON TABLE {t} IS 'c'",
    "ALTER TABLE {t} SET (compression = 'lz4')",
    "CREATE TABLE {t} (a INT)",
    "CREATE TABLE {s}.made_{b} (a INT); DROP TABLE {s}.made_{b}",
    "CREATE OR REPLACE VIEW {s}.view_of_{b} AS SELECT * FROM {t}",
    "GRANT SELECT ON {t} TO '{u}'; REVOKE SELECT ON {t} FROM '{u}'",
    "CREATE NAMESPACE IF NOT EXISTS {s}",
    "ALTER USER '{u}' EMAIL 'a@b.c'",
    "CREATE USER IF NOT EXISTS '{u}'",
)
ANSWERS = {"CREATE TABLE {t} (a INT)": "42P07"}  # for those who may: it exists


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[People]:
    with People(server) as people:
        for level in LEVELS:
            people.root.do(f"CREATE TABLE {level} (a INT, b INT) WITH (access_level = '{level}')")
        yield people


@pytest.fixture(scope="module")
def clients(people: People) -> dict[str, Client]:
    return {role: people.connect(role) for role in ROLES}


def at_once(client: Client, sql: str) -> str:
    """Likewise without preparing, by the command for queries."""
    with client.connection.cursor() as cursor:
        cursor.adbc_statement.set_sql_query(sql)
        try:
            stream, _ = cursor.adbc_statement.execute_query()
            pa.RecordBatchReader._import_from_c(stream.address).read_all()
        except (Error, pa.ArrowException, OSError) as error:
            return Refused(str(error)).sqlstate
    return OK


@pytest.mark.parametrize("run", [prepared, at_once])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("role", ROLES)
def test_every_role_every_level_every_kind_of_statement(people: People, clients: dict[str, Client], role, level, run):
    rights = BY_ROLE[level][role]
    wanted = {sql: expected(needed, rights) for sql, needed in ON_ROWS.items()}
    wanted |= dict.fromkeys(LOOKS, OK if rights else HIDDEN)
    wanted |= dict.fromkeys(FLUSHES, DENIED if role == "user" else OK if rights else HIDDEN)
    may_define = role in ("dba", "system")
    wanted |= {sql: ANSWERS.get(sql, OK) if may_define else DENIED for sql in DEFINES}
    assert {sql: run(clients[role], filled(people, sql, level)) for sql in wanted} == wanted


def listed(client: Client, namespace: str) -> dict[str, set[str]]:
    """What each way to list tables lists."""
    depth = client.connection.adbc_get_objects(depth="tables", db_schema_filter=namespace).read_all().to_pylist()
    system = ("tables", "columns", "table_history", "partitions")
    standard = ("tables", "columns", "table_constraints", "key_column_usage")
    own = f"WHERE namespace = '{namespace}'"
    theirs = f"WHERE table_schema = '{namespace}'"
    return {
        **{name: {r[0] for r in client.rows(f'SELECT "table" FROM system.{name} {own}')} for name in system},
        **{
            f"information_schema.{name}": {
                r[0] for r in client.rows(f"SELECT table_name FROM information_schema.{name} {theirs}")
            }
            for name in standard
        },
        "SHOW TABLES": {r[1] for r in client.rows(f"SHOW TABLES IN {namespace}")},
        "GetTables": {
            table["table_name"]
            for catalog in depth
            for schema in catalog["catalog_db_schemas"]
            for table in schema["db_schema_tables"] or ()
        },
    }


def test_every_list_has_only_what_its_reader_may_know_of(server: ServerProcess):
    with People(server) as people:
        for level in LEVELS:
            people.root.do(f"CREATE TABLE {level} (a INT PRIMARY KEY) WITH (access_level = '{level}')")
        people.root.do("CREATE TABLE given (a INT PRIMARY KEY)")
        people.root.do(f"GRANT INSERT ON given TO '{people.name('user')}'")
        known = {
            "user": {"public", "given"},
            "service": {"public", "private", "given"},
            "dba": {*LEVELS, "given"},
            "system": {*LEVELS, "given"},
        }
        for role in ROLES:
            lists = listed(people.connect(role), people.namespace)
            assert lists == dict.fromkeys(lists, known[role]), role
            keys = pb.CommandGetPrimaryKeys(db_schema=people.namespace, table="private")
            wire = people.wire(role)
            assert wire.fetch(wire.info(keys)).num_rows == ("private" in known[role])


def test_a_namespace_without_anything_for_a_user_is_not_there(server: ServerProcess):
    with People(server) as people:
        people.root.do("CREATE TABLE t (a INT)")
        user = people.connect("user")
        assert user.rows("SHOW NAMESPACES") == [("public", "")] or people.namespace not in str(
            user.rows("SHOW NAMESPACES")
        )
        for namespace in (people.namespace, "missing"):
            assert user.refusal(f"USE {namespace}").sqlstate == "3F000"
            assert namespace not in str(user.connection.adbc_get_objects(depth="db_schemas").read_all().to_pylist())
        people.root.do(f"GRANT SELECT ON t TO '{people.name('user')}'")
        user.do(f"USE {people.namespace}")
        assert user.rows("SELECT * FROM t") == []


# --- the moment ------------------------------------------------------------------------------------------------


def test_a_revoked_right_acts_on_the_next_call_whatever_was_prepared_or_begun(server: ServerProcess):
    with People(server) as people:
        people.root.do(f"CREATE TABLE t (a INT); INSERT INTO t VALUES (1); GRANT ALL ON t TO '{people.name('user')}'")
        user = people.connect("user")
        with user.connection.cursor() as reading, user.connection.cursor() as writing:
            reading.adbc_prepare("SELECT a FROM t")
            writing.adbc_prepare("INSERT INTO t VALUES (?)")
            reading.execute("SELECT a FROM t")
            assert reading.fetchall() == [(1,)]
            user.do("BEGIN")
            assert user.rows("SELECT a FROM t") == [(1,)]
            people.root.do(f"REVOKE ALL ON t FROM '{people.name('user')}'")
            with pytest.raises(Error, match="42P01"):
                reading.execute("SELECT a FROM t")
            with pytest.raises(Error, match="3F000"):  # nothing in the namespace is left to know of
                writing.execute("INSERT INTO t VALUES (?)", (2,))
        assert user.sqlstate("SELECT a FROM t") == HIDDEN
        assert user.sqlstate("INSERT INTO t VALUES (3)") == "3F000"
        user.do("ROLLBACK")
        assert people.root.rows("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize(
    "change",
    [
        "REVOKE ALL ON t FROM '{u}'",
        "DROP TABLE t; CREATE TABLE t (a INT)",
        "ALTER TABLE t RENAME TO t2; REVOKE ALL ON t2 FROM '{u}'",
    ],
)
def test_rows_that_were_promised_are_refused_when_the_right_is_gone(server: ServerProcess, change: str):
    """Planned at GetFlightInfo, asked again at DoGet."""
    with People(server) as people:
        people.root.do(
            f"CREATE TABLE t (a INT); INSERT INTO t VALUES (1); GRANT SELECT ON t TO '{people.name('user')}'"
        )
        wire = people.wire("user")
        sql = f"SELECT a FROM {people.namespace}.t"
        assert wire.fetch(wire.query(sql)).num_rows == 1
        info = wire.query(sql)
        people.root.do(change.replace("{u}", people.name("user")))
        with pytest.raises(pa.ArrowException, match="42P01"):
            wire.fetch(info)


# --- views -----------------------------------------------------------------------------------------------------


def test_a_granted_view_gives_its_columns_and_not_its_table(server: ServerProcess):
    with People(server) as people:
        user = people.name("user")
        people.root.do("CREATE TABLE t (a INT, hidden INT) WITH (access_level = 'restricted')")
        people.root.do(
            "INSERT INTO t VALUES (1, 42); CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT * FROM v"
        )
        people.root.do(f"GRANT ALL ON w TO '{user}'")
        assert people.root.rows(f"SHOW GRANTS FOR '{user}'")[0][1:4] == (people.namespace, "w", "SELECT")
        client = people.connect("user")
        assert client.rows("SELECT * FROM w") == [(1,)]
        for sql in ("SELECT * FROM v", "SELECT * FROM t", "SELECT hidden FROM w", "SELECT * FROM w JOIN t USING (a)"):
            assert client.sqlstate(sql) in (HIDDEN, "42703"), sql
        assert "42" not in str(client.rows("SHOW TABLES"))
        wire = people.wire("user")
        info = wire.query(f"SELECT * FROM {people.namespace}.w")
        people.root.do(f"REVOKE SELECT ON w FROM '{user}'")
        with pytest.raises(pa.ArrowException, match="42P01"):
            wire.fetch(info)
        assert client.sqlstate("SELECT * FROM w") == HIDDEN


@pytest.mark.parametrize("role", ["user", "service"])
def test_the_text_of_a_view_does_not_tell_what_lies_under_it(server: ServerProcess, role: str):
    with People(server) as people:
        people.root.do("CREATE TABLE buried (a INT) WITH (access_level = 'restricted')")
        people.root.do(f"CREATE VIEW v AS SELECT a FROM buried; GRANT SELECT ON v TO '{people.name(role)}'")
        client = people.connect(role)
        assert client.rows("SELECT * FROM v") == []
        for sql in ("SHOW CREATE TABLE v", "EXPLAIN SELECT * FROM v", "EXPLAIN ANALYZE SELECT * FROM v"):
            refused = client.refusal(sql)
            assert (refused.sqlstate, "buried" in refused.message) == (DENIED, False)
        shown = [
            client.rows("DESCRIBE v"),
            client.rows("SELECT * FROM system.tables"),
            client.rows("SELECT * FROM information_schema.views"),
            client.connection.adbc_get_objects(depth="all").read_all().to_pylist(),
        ]
        assert "buried" not in str(shown)
        assert "buried" in str(people.root.rows("EXPLAIN SELECT * FROM v"))
        assert "buried" in str(people.root.rows("SELECT * FROM information_schema.views"))
