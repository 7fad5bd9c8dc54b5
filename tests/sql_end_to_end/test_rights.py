"""The matrix on a running server: role x kind of statement x access level, grants, and what each may know of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pyarrow as pa
import pytest
from adbc_driver_manager import Error

from flight_server.wire import flight_sql_pb2 as pb
from tests.sql_end_to_end.people import ROLES, People
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

LEVELS = ("public", "private", "restricted")
OK, DENIED, HIDDEN = "", "42501", "42P01"
ALL = "SIUD"
# S(elect), I(nsert), U(pdate), D(elete) without a grant.
BY_ROLE = {
    "public": {"user": "S", "service": ALL, "dba": ALL, "system": ALL},
    "private": {"user": "", "service": ALL, "dba": ALL, "system": ALL},
    "restricted": {"user": "", "service": "", "dba": ALL, "system": ALL},
}
# Statement -> what it needs on table {t}. They change nothing, or what no other one looks at.
ON_ROWS = {
    "SELECT count(*) AS n FROM {t}": "S",
    "SELECT 1 AS one WHERE EXISTS (SELECT * FROM {t})": "S",
    "WITH x AS (SELECT * FROM {t}) SELECT count(*) AS n FROM x": "S",
    "EXPLAIN SELECT * FROM {t}": "S",
    "DESCRIBE SELECT * FROM {t}": "S",
    "SELECT count(*) AS n FROM {t} FOR SYSTEM_TIME AS OF TIMESTAMP '2126-01-01'": "S",
    "INSERT INTO {t} VALUES (1, 1)": "I",
    "INSERT INTO {t} (a) SELECT a FROM {t} WHERE false": "IS",
    "INSERT INTO {t} VALUES (2, 2) RETURNING a": "IS",
    "UPDATE {t} SET a = a WHERE false": "US",
    "DELETE FROM {t} WHERE false": "DS",
    "DELETE FROM {t} WHERE false RETURNING a": "DS",
    "MERGE INTO {t} USING (VALUES (9)) AS s (a) ON false WHEN NOT MATCHED THEN INSERT (a) VALUES (9)": "IS",
    "MERGE INTO {t} USING (VALUES (9)) AS s (a) ON {b}.a = s.a AND false WHEN MATCHED THEN DELETE": "DS",
    "TRUNCATE {t}": "DS",
}
# For everyone who has any right on the table.
LOOKS = (
    "DESCRIBE {t}",
    "SHOW COLUMNS FROM {t}",
    "SHOW CREATE TABLE {t}",
    "SHOW STATS FOR TABLE {t}",
    "DESCRIBE {t} HISTORY",
)
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


def filled(people: People, template: str, table: str) -> str:
    values = {
        "{t}": f"{people.namespace}.{table}",
        "{s}": people.namespace,
        "{b}": table,
        "{u}": people.name("bystander"),
    }
    for name, value in values.items():
        template = template.replace(name, value)
    return template


def prepared(client: Client, sql: str) -> str:
    """The SQLSTATE that preparing and running ends in; "" when it does not fail."""
    try:
        client.table(sql) if sql.startswith(("SELECT", "EXPLAIN", "WITH")) else client.do(sql)
    except Refused as refused:
        return refused.sqlstate
    return OK


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


def expected(needed: str, rights: str) -> str:
    if not rights:
        return HIDDEN
    return OK if set(needed) <= set(rights) else DENIED


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


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("level", LEVELS)
def test_bulk_loads_and_many_rows_go_by_the_same_rights(people: People, clients: dict[str, Client], role, level):
    rows = pa.table({"a": pa.array([1], pa.int32()), "b": pa.array([1], pa.int32())})
    insert = expected("I", BY_ROLE[level][role])
    define = OK if role in ("dba", "system") else DENIED

    def outcome(work) -> str:
        try:
            work()
        except Refused as refused:
            return refused.sqlstate
        return OK

    client, table = clients[role], f"{people.namespace}.{level}"
    assert outcome(lambda: client.ingest(level, rows, mode="append")) == insert
    assert outcome(lambda: client.do_many(f"INSERT INTO {table} VALUES (?, ?)", [(1, 1), (2, 2)])) == insert
    update = f"UPDATE {table} SET a = ? WHERE b = ? AND false"
    assert outcome(lambda: client.do_many(update, [(1, 1), (2, 2)])) == expected("US", BY_ROLE[level][role])
    assert outcome(lambda: client.ingest(f"new_{role}_{level}", rows, mode="create")) == define
    assert outcome(lambda: client.ingest(f"new_{role}_{level}", rows, mode="replace")) == define
    assert outcome(lambda: client.ingest(level, rows, mode="create")) == (DENIED if define else "42P07")


def test_a_grant_of_each_kind_allows_that_and_nothing_else(people: People, clients: dict[str, Client]):
    root, user = people.root, people.name("user")
    words = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}
    for chosen in itertools.chain(words, ["SI", "SU", "SD", "IUD", ALL]):
        root.do(f"GRANT {', '.join(words[c] for c in chosen)} ON private TO '{user}'")
        wanted = {sql: expected(needed, chosen) for sql, needed in ON_ROWS.items()}
        assert {sql: prepared(clients["user"], filled(people, sql, "private")) for sql in wanted} == wanted, chosen
        root.do(f"REVOKE ALL ON private FROM '{user}'")
        assert prepared(clients["user"], filled(people, "SELECT * FROM {t}", "private")) == HIDDEN


def test_a_row_that_is_found_by_its_key_is_no_way_around(server: ServerProcess):
    with People(server) as people:
        user, namespace = people.name("user"), people.namespace
        people.root.do("CREATE TABLE keyed (id INT PRIMARY KEY, v TEXT); INSERT INTO keyed VALUES (1, 'x')")
        people.root.do("CREATE VIEW seen AS SELECT v FROM keyed WHERE id = 1")
        client = people.connect("user")
        plain, bound = f"SELECT v FROM {namespace}.keyed WHERE id = 1", f"SELECT v FROM {namespace}.keyed WHERE id = ?"
        for granted, sqlstate in (("", HIDDEN), ("INSERT", DENIED), ("SELECT", OK), ("", HIDDEN)):
            people.root.do(f"REVOKE ALL ON keyed FROM '{user}'")
            if granted:
                people.root.do(f"GRANT {granted} ON keyed TO '{user}'")
            assert people.root.rows(plain) == people.root.rows(bound, (1,)) == [("x",)]
            if sqlstate == OK:
                assert client.rows(plain) == client.rows(bound, (1,)) == [("x",)]
            else:
                assert client.sqlstate(plain) == client.sqlstate(bound, (1,)) == sqlstate
        people.root.do(f"GRANT SELECT ON seen TO '{user}'")
        assert client.rows(f"SELECT v FROM {namespace}.seen") == [("x",)]
        assert client.sqlstate(plain) == HIDDEN


def test_a_temporary_table_is_its_sessions_alone(server: ServerProcess):
    with People(server) as people:
        people.root.do("CREATE TABLE shared (a INT) WITH (access_level = 'public')")
        mine, other = people.connect("user"), people.connect("user")
        mine.do("CREATE TEMP TABLE own (a INT); INSERT INTO own VALUES (1)")
        assert mine.rows("SELECT * FROM own") == [(1,)]
        for client in (other, people.connect("dba"), people.root):
            assert client.sqlstate("SELECT * FROM own") == HIDDEN
            assert "own" not in str(client.rows("SELECT * FROM system.tables"))
        mine.do("CREATE TEMP TABLE shared (a INT)")
        mine.do("INSERT INTO shared VALUES (2)")
        assert (mine.rows("SELECT * FROM shared"), other.rows("SELECT * FROM shared")) == ([(2,)], [])
        assert mine.sqlstate(f"INSERT INTO {people.namespace}.shared VALUES (1)") == DENIED
        assert mine.sqlstate("CREATE TABLE lasting (a INT)") == DENIED
        prepared(mine, "ALTER TABLE own RENAME TO lasting")  # whatever comes of it, it stays the session's
        assert people.root.sqlstate("SELECT * FROM lasting") == HIDDEN


def test_a_hidden_table_is_told_of_in_the_words_for_a_missing_one(people: People, clients: dict[str, Client]):
    client, ns = clients["user"], people.namespace
    for template in (*ON_ROWS, *LOOKS):
        hidden, missing = (filled(people, template, table) for table in ("private", "missing"))
        texts = [client.refusal(sql).message for sql in (hidden, missing)]
        assert texts[0].replace("private", "missing") == texts[1]
    rows = pa.table({"a": pa.array([1], pa.int32())})
    texts = []
    for table in ("private", "missing"):
        with pytest.raises(Refused) as refused:
            client.ingest(table, rows, mode="append")
        texts.append(refused.value.message.replace("private", "missing"))
    assert texts[0] == texts[1]
    assert ns in texts[0]


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


def test_a_transaction_whose_right_was_taken_away_does_not_commit(server: ServerProcess):
    with People(server) as people:
        user, service, dba = people.name("user"), people.name("service"), people.name("dba")
        people.root.do(f"CREATE TABLE t (a INT); GRANT SELECT, INSERT ON t TO '{user}'")
        writer, deputy, definer = (people.connect(role) for role in ("user", "service", "dba"))
        for work, take, give, client in (
            ("INSERT INTO t VALUES (1)", f"REVOKE INSERT ON t FROM '{user}'", f"GRANT INSERT ON t TO '{user}'", writer),
            (
                f"EXECUTE AS USER '{user}' (INSERT INTO t VALUES (1))",
                f"REVOKE INSERT ON t FROM '{user}'",
                f"GRANT INSERT ON t TO '{user}'",
                deputy,
            ),
            (
                f"EXECUTE AS USER '{user}' (INSERT INTO t VALUES (1))",
                f"ALTER USER '{service}' ROLE user",
                f"ALTER USER '{service}' ROLE service",
                deputy,
            ),
            ("DROP TABLE t", f"ALTER USER '{dba}' ROLE service", f"ALTER USER '{dba}' ROLE dba", definer),
        ):
            client.do(f"BEGIN; {work}")
            people.root.do(take)
            assert client.sqlstate("COMMIT") == DENIED, work
            people.root.do(give)
            assert people.root.rows("SELECT a FROM t") == [], work
            client.do(f"BEGIN; {work}; ROLLBACK")


def test_a_transaction_may_rename_and_drop_what_it_wrote_to(server: ServerProcess):
    with People(server) as people:
        dba = people.connect("dba")
        dba.do("BEGIN; CREATE TABLE t (a INT); INSERT INTO t VALUES (1); ALTER TABLE t RENAME TO u; COMMIT")
        dba.do("BEGIN; INSERT INTO u VALUES (2); CREATE TABLE w AS SELECT * FROM u; DROP TABLE u; COMMIT")
        assert dba.rows("SELECT a FROM w ORDER BY a") == [(1,), (2,)]


def test_a_role_that_was_taken_away_acts_on_the_next_call(server: ServerProcess):
    with People(server) as people:
        people.root.do("CREATE TABLE t (a INT)")
        service = people.connect("service")
        assert service.rows("SELECT * FROM t") == []
        people.root.do(f"ALTER USER '{people.name('service')}' ROLE user")
        assert service.sqlstate(f"SELECT * FROM {people.namespace}.t") == HIDDEN
        people.root.do("ALTER TABLE t SET (access_level = 'public')")
        assert service.rows(f"SELECT * FROM {people.namespace}.t") == []


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


def test_a_service_reads_a_view_as_far_as_its_own_rights_go(server: ServerProcess):
    with People(server) as people:
        people.root.do("CREATE TABLE open (a INT); CREATE TABLE shut (a INT) WITH (access_level = 'restricted')")
        people.root.do("CREATE VIEW one AS SELECT * FROM open; CREATE VIEW two AS SELECT * FROM shut")
        client = people.connect("service")
        assert client.rows("SELECT * FROM one") == []
        # The same text, planned for one who may: what was kept of it must not help.
        assert people.root.rows("SELECT * FROM two") == []
        assert client.sqlstate("SELECT * FROM two") == HIDDEN
        people.root.do(f"GRANT SELECT ON two TO '{people.name('service')}'")
        assert client.rows("SELECT * FROM two") == []
        assert client.sqlstate("SELECT * FROM shut") == HIDDEN


def test_grants_follow_a_renamed_table_and_end_with_a_dropped_one(server: ServerProcess):
    with People(server) as people:
        user = people.name("user")
        people.root.do(f"CREATE TABLE t (a INT); GRANT SELECT ON t TO '{user}'; ALTER TABLE t RENAME TO u")
        client = people.connect("user")
        assert client.rows("SELECT * FROM u") == []
        people.root.do("CREATE OR REPLACE TABLE u (a INT)")
        assert people.root.rows(f"SHOW GRANTS FOR '{user}'") == []
        assert client.sqlstate(f"SELECT * FROM {people.namespace}.u") == HIDDEN
        people.root.do(f"GRANT SELECT ON u TO '{user}'; DROP TABLE u; CREATE TABLE u (a INT)")
        assert client.sqlstate(f"SELECT * FROM {people.namespace}.u") == HIDDEN
