"""EXECUTE AS: with the other one's rights and name, never upwards, in the transaction that it stands in."""

from __future__ import annotations

import pytest

from tests.access.lent_texts import NEVER_TEXTS
from tests.support.in_process import House
from tests.support.local_people import LocalUser
from tests.support.people import NamedPeople


@pytest.fixture(scope="module")
def people(home: House) -> NamedPeople:
    return NamedPeople(lambda user, _, namespace: LocalUser(home, user, namespace))


def test_execute_as_uses_the_others_rights_name_and_nothing_more(people: NamedPeople) -> None:
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


def test_execute_as_joins_the_transaction_it_stands_in(people: NamedPeople) -> None:
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
def test_execute_as_never_goes_upwards(people: NamedPeople, role: str, other: str, sqlstate: str) -> None:
    client = people.connect(role)
    sql = f"EXECUTE AS USER '{people.name(other)}' (SELECT 1 AS one)"
    if not sqlstate:
        assert client.rows(sql) == [(1,)]
        return
    missing = "EXECUTE AS USER 'nobody' (SELECT 1 AS one)"
    told = client.refusal(sql).message, client.refusal(missing).message
    assert told[0].replace(f"as '{people.name(other)}'", "as 'nobody'") == told[1]
    assert client.sqlstate(sql) == sqlstate


def test_execute_as_is_not_nested_and_sets_nothing(people: NamedPeople) -> None:
    dba, user = people.connect("dba"), people.name("user")
    for inner in (f"EXECUTE AS USER '{user}' (SELECT 1)", "BEGIN", "SET durability = 'relaxed'", "USE public"):
        assert dba.sqlstate(f"EXECUTE AS USER '{people.name('service')}' ({inner})") == "0A000", inner


@pytest.mark.parametrize("text", NEVER_TEXTS)
@pytest.mark.parametrize("asker", ["service", "dba"])
def test_what_may_not_be_lent_is_refused_whoever_asks(people: NamedPeople, asker: str, text: str) -> None:
    for role in ("user", "service"):
        assert people.connect(asker).sqlstate(f"EXECUTE AS USER '{people.name(role)}' ({text})") == "0A000"
