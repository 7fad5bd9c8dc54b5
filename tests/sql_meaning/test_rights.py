"""What each role may do with rows at each access level, by grants, through views and in transactions."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from tests.support.in_process import House
from tests.support.local_people import LocalUser
from tests.support.people import ROLES, NamedPeople
from tests.support.rights_matrix import (
    ALL,
    BY_ROLE,
    DENIED,
    HIDDEN,
    LEVELS,
    LOOKS,
    OK,
    ON_ROWS,
    expected,
    filled,
    prepared,
)
from tests.support.sql_client import Client, Refused


def local_people(home: House) -> NamedPeople:
    return NamedPeople(lambda user, _, namespace: LocalUser(home, user, namespace))


@pytest.fixture(scope="module")
def people(home: House) -> NamedPeople:
    people = local_people(home)
    for level in LEVELS:
        people.root.do(f"CREATE TABLE {level} (a INT, b INT) WITH (access_level = '{level}')")
    return people


@pytest.fixture(scope="module")
def clients(people: NamedPeople) -> dict[str, Client]:
    return {role: people.connect(role) for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("level", LEVELS)
def test_bulk_loads_and_many_rows_go_by_the_same_rights(people: NamedPeople, clients: dict[str, Client], role, level):
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


def test_a_grant_of_each_kind_allows_that_and_nothing_else(people: NamedPeople, clients: dict[str, Client]):
    root, user = people.root, people.name("user")
    words = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}
    for chosen in itertools.chain(words, ["SI", "SU", "SD", "IUD", ALL]):
        root.do(f"GRANT {', '.join(words[c] for c in chosen)} ON private TO '{user}'")
        wanted = {sql: expected(needed, chosen) for sql, needed in ON_ROWS.items()}
        assert {sql: prepared(clients["user"], filled(people, sql, "private")) for sql in wanted} == wanted, chosen
        root.do(f"REVOKE ALL ON private FROM '{user}'")
        assert prepared(clients["user"], filled(people, "SELECT * FROM {t}", "private")) == HIDDEN


def test_a_row_that_is_found_by_its_key_is_no_way_around(home: House):
    people = local_people(home)
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


def test_a_temporary_table_is_its_sessions_alone(home: House):
    people = local_people(home)
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


def test_a_hidden_table_is_told_of_in_the_words_for_a_missing_one(people: NamedPeople, clients: dict[str, Client]):
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


def test_a_transaction_whose_right_was_taken_away_does_not_commit(home: House):
    people = local_people(home)
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


def test_a_transaction_may_rename_and_drop_what_it_wrote_to(home: House):
    people = local_people(home)
    dba = people.connect("dba")
    dba.do("BEGIN; CREATE TABLE t (a INT); INSERT INTO t VALUES (1); ALTER TABLE t RENAME TO u; COMMIT")
    dba.do("BEGIN; INSERT INTO u VALUES (2); CREATE TABLE w AS SELECT * FROM u; DROP TABLE u; COMMIT")
    assert dba.rows("SELECT a FROM w ORDER BY a") == [(1,), (2,)]


def test_a_role_that_was_taken_away_acts_on_the_next_call(home: House):
    people = local_people(home)
    people.root.do("CREATE TABLE t (a INT)")
    service = people.connect("service")
    assert service.rows("SELECT * FROM t") == []
    people.root.do(f"ALTER USER '{people.name('service')}' ROLE user")
    assert service.sqlstate(f"SELECT * FROM {people.namespace}.t") == HIDDEN
    people.root.do("ALTER TABLE t SET (access_level = 'public')")
    assert service.rows(f"SELECT * FROM {people.namespace}.t") == []


def test_a_service_reads_a_view_as_far_as_its_own_rights_go(home: House):
    people = local_people(home)
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


def test_grants_follow_a_renamed_table_and_end_with_a_dropped_one(home: House):
    people = local_people(home)
    user = people.name("user")
    people.root.do(f"CREATE TABLE t (a INT); GRANT SELECT ON t TO '{user}'; ALTER TABLE t RENAME TO u")
    client = people.connect("user")
    assert client.rows("SELECT * FROM u") == []
    people.root.do("CREATE OR REPLACE TABLE u (a INT)")
    assert people.root.rows(f"SHOW GRANTS FOR '{user}'") == []
    assert client.sqlstate(f"SELECT * FROM {people.namespace}.u") == HIDDEN
    people.root.do(f"GRANT SELECT ON u TO '{user}'; DROP TABLE u; CREATE TABLE u (a INT)")
    assert client.sqlstate(f"SELECT * FROM {people.namespace}.u") == HIDDEN
