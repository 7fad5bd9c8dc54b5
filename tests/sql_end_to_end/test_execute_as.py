"""EXECUTE AS: with the other one's rights and name, never upwards, in the transaction that it stands in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from adbc_driver_manager import Error

from tests.access.lent_texts import NEVER_TEXTS
from tests.sql_end_to_end.people import People
from tests.support.server_process import ServerProcess


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[People]:
    with People(server) as people:
        yield people


def test_execute_as_uses_the_others_rights_name_and_nothing_more(people: People) -> None:
    root, user = people.root, people.name("user")
    root.do(f"CREATE TABLE notes (a INT, who VARCHAR DEFAULT current_user); GRANT SELECT, INSERT ON notes TO '{user}'")
    root.do("CREATE TABLE hidden (a INT)")
    service = people.connect("service")
    assert service.do(f"EXECUTE AS USER '{user}' (INSERT INTO notes (a) VALUES (1))") == 1
    assert service.rows(f"EXECUTE AS USER '{user}' (SELECT a, who FROM notes)") == [(1, user)]
    assert service.do(f"EXECUTE AS USER '{user}' (INSERT INTO notes (a) VALUES (?))", (2,)) == 1
    assert service.rows(f"EXECUTE AS USER '{user}' (SELECT a FROM notes WHERE a = ?)", (2,)) == [(2,)]
    assert service.rows(f"EXECUTE AS USER '{user}' (SELECT DISTINCT \"user\" FROM system.sessions)") in ([], [(user,)])
    assert service.sqlstate(f"EXECUTE AS USER '{user}' (DELETE FROM notes)") == "42501"
    assert service.sqlstate(f"EXECUTE AS USER '{user}' (SELECT * FROM hidden)") == "42P01"
    assert service.sqlstate(f"EXECUTE AS USER '{user}' (CREATE TABLE x (a INT))") == "42501"
    assert service.rows("SELECT count(*) AS n FROM hidden") == [(0,)]  # and not a moment longer


def test_execute_as_joins_the_transaction_it_stands_in(people: People) -> None:
    people.root.do("CREATE TABLE joined (a INT) WITH (access_level = 'public')")
    service, user = people.connect("service"), people.name("user")
    service.do("BEGIN; INSERT INTO joined VALUES (1)")
    assert service.rows(f"EXECUTE AS USER '{user}' (SELECT a FROM joined)") == [(1,)]
    service.do("ROLLBACK")
    assert service.rows("SELECT a FROM joined") == []


@pytest.mark.parametrize(
    ("role", "other", "sqlstate"),
    [
        ("user", "user", "42501"),
        ("user", "service", "42501"),
        ("service", "dba", "42501"),
        ("service", "system", "42501"),
        ("dba", "system", "42501"),
        ("service", "user", ""),
        ("service", "service", ""),
        ("dba", "dba", ""),
        ("dba", "service", ""),
        ("system", "dba", ""),
    ],
)
def test_execute_as_never_goes_upwards(people: People, role: str, other: str, sqlstate: str) -> None:
    client = people.connect(role)
    sql = f"EXECUTE AS USER '{people.name(other)}' (SELECT 1 AS one)"
    if not sqlstate:
        assert client.rows(sql) == [(1,)]
        return
    missing = "EXECUTE AS USER 'nobody' (SELECT 1 AS one)"
    told = client.refusal(sql).message, client.refusal(missing).message
    assert told[0].replace(f"as '{people.name(other)}'", "as 'nobody'") == told[1]
    assert client.sqlstate(sql) == sqlstate


def test_execute_as_is_not_nested_and_sets_nothing(people: People) -> None:
    dba, user = people.connect("dba"), people.name("user")
    for inner in (f"EXECUTE AS USER '{user}' (SELECT 1)", "BEGIN", "SET durability = 'relaxed'", "USE public"):
        assert dba.sqlstate(f"EXECUTE AS USER '{people.name('service')}' ({inner})") == "0A000", inner


def test_rows_of_execute_as_are_refused_once_the_right_to_act_is_gone(people: People) -> None:
    people.root.do("CREATE USER 'deputy' WITH PASSWORD 'correct horse battery staple' ROLE service")
    people.root.do("CREATE TABLE acted (a INT) WITH (access_level = 'public')")
    sql = f"EXECUTE AS USER '{people.name('user')}' (SELECT a FROM {people.namespace}.acted)"
    for change in ("ALTER USER 'deputy' ROLE user", f"DROP USER '{people.name('user')}'"):
        people.root.do("ALTER USER 'deputy' ROLE service")
        wire = people.wire("service")
        info = wire.query(sql)
        people.root.do(change.replace("deputy", people.name("service")))
        with pytest.raises(Exception, match="42501"):
            wire.fetch(info)
        people.root.do(f"ALTER USER '{people.name('service')}' ROLE service")
    people.root.do(f"UNDROP USER '{people.name('user')}'")


@pytest.mark.parametrize("text", NEVER_TEXTS)
@pytest.mark.parametrize("asker", ["service", "dba"])
def test_what_may_not_be_lent_is_refused_whoever_asks(people: People, asker: str, text: str) -> None:
    for role in ("user", "service"):
        assert people.connect(asker).sqlstate(f"EXECUTE AS USER '{people.name(role)}' ({text})") == "0A000"


def test_no_service_takes_over_an_account(people: People) -> None:
    service, user = people.connect("service"), people.name("user")
    for value in ("PASSWORD 'taken'", "EMAIL 'taken@example.org'"):
        assert service.sqlstate(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' {value})") == "0A000"
        assert service.sqlstate(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' {value});SELECT 1") == "0A000"
    service.refusal(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' PASSWORD ?)", ("taken",))  # in the driver's words
    with pytest.raises(Error), service.connection.cursor() as cursor:
        cursor.adbc_prepare(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' PASSWORD 'taken')")
    assert people.connect("user").rows("SELECT 1 AS one") == [(1,)]
