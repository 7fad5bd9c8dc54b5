"""EXECUTE AS over the wire: rows that come later, and what a driver prepares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from adbc_driver_manager import Error

from tests.sql_end_to_end.people import People
from tests.support.server_process import ServerProcess


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[People]:
    with People(server) as people:
        yield people


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


def test_no_service_takes_over_an_account(people: People) -> None:
    service, user = people.connect("service"), people.name("user")
    for value in ("PASSWORD 'taken'", "EMAIL 'taken@example.org'"):
        assert service.sqlstate(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' {value})") == "0A000"
        assert service.sqlstate(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' {value});SELECT 1") == "0A000"
    service.refusal(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' PASSWORD ?)", ("taken",))  # in the driver's words
    with pytest.raises(Error), service.connection.cursor() as cursor:
        cursor.adbc_prepare(f"EXECUTE AS USER '{user}' (ALTER USER '{user}' PASSWORD 'taken')")
    assert people.connect("user").rows("SELECT 1 AS one") == [(1,)]
