"""Statements that are answered without the engine: one row by its key, and constants."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from flight_server.access.principal import Principal
from flight_server.access.sessions.session import Session
from flight_server.sql.interface.request import Request
from storage.catalog.names import table_name
from storage.catalog.users import Role, UserRecord
from storage.errors import FrostlineError, NotFound, PermissionDenied
from storage.state.edits import Edit
from tests.support.in_process import House, house
from tests.support.storage_builders import flush

DEFINITION = (
    "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR, price DECIMAL(9, 2), at TIMESTAMP, seen BOOLEAN, "
    "tags VARCHAR[], code VARCHAR NOT NULL DEFAULT 'c')"
)
ROWS = (
    "INSERT INTO t (id, name, price, at, seen, tags) VALUES (1, 'one', 1.5, '2026-01-31 12:00:00', TRUE, ['a']), "
    "(2, NULL, NULL, NULL, NULL, NULL), (-3, '', -0.01, '1969-12-31 23:59:59.999999', FALSE, [])"
)
ITEMS = ("*", "name", "ID, Price", "at,seen , id", "code")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("short")) as made:
        session = made.enter()
        for sql in (DEFINITION, ROWS, "CREATE TABLE names (name VARCHAR PRIMARY KEY, n INT)"):
            made.do(session, sql)
        made.do(session, "INSERT INTO names VALUES ('x y', 1), ('', 2)")
        yield made


@pytest.fixture
def session(home: House) -> Session:
    return home.enter()


@pytest.fixture
def planned(home: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were planned."""
    texts: list[str] = []
    plan = home.queries.plan

    def told(sql: str, *args: Any, **more: Any) -> Any:
        texts.append(sql)
        return plan(sql, *args, **more)

    monkeypatch.setattr(home.queries, "plan", told)
    return texts


def both(home: House, session: Session, condition: str, items: str, table: str) -> tuple[pa.Table, pa.Table]:
    """The short answer, and what the engine says of a condition in brackets, which is not looked at."""
    select = f"SELECT {items} FROM {table} WHERE"
    return home.do(session, f"{select} {condition}"), home.do(session, f"{select} ({condition})")


@pytest.mark.parametrize("state", ["hot", "cold", "changed since"])
def test_a_row_by_its_key_is_what_the_engine_gives(home: House, session: Session, planned: list[str], state: str):
    if state != "hot":
        flush(home.engine, home.engine.state.catalog.tables[table_name("public", "t")])
    if state == "changed since":
        home.do(session, "UPDATE t SET name = 'again' WHERE id = 1")
    for items in ITEMS:
        for condition in ("id = 1", "id = 2", "id = -3", "id = 99"):
            planned.clear()
            short, long = both(home, session, condition, items, "t")
            assert len(planned) == (2 if items == "*" else 1)  # a list is left to the engine
            assert short.equals(long)
            assert short.schema.equals(long.schema, check_metadata=True)


@pytest.mark.parametrize("condition", ["name = 'x y'", "name = ''", "name = 'absent'", "name = 'X Y'"])
def test_a_row_by_a_text_is_what_the_engine_gives(home: House, session: Session, condition: str):
    short, long = both(home, session, condition, "n, name", "names")
    assert short.equals(long)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM t WHERE id = 99999999999",
        "SELECT name, name FROM t WHERE id = 1",
        "SELECT t.name FROM t WHERE id = 1",
        "SELECT name n FROM t WHERE id = 1",
        "SELECT DISTINCT name FROM t WHERE id = 1",
        "SELECT no_such FROM t WHERE id = 1",
        "SELECT name FROM t WHERE name = 'one'",
        "SELECT name FROM no_such WHERE id = 1",
    ],
)
def test_what_is_not_plain_goes_to_the_engine(home: House, session: Session, planned: list[str], sql: str):
    with contextlib.suppress(FrostlineError):  # of names that are not there
        home.do(session, sql)
    assert planned == [sql]


def test_of_an_absent_key_nothing_is_scanned(home: House, session: Session, planned: list[str]):
    flush(home.engine, home.engine.state.catalog.tables[table_name("public", "t")])
    assert home.do(session, "SELECT id, name FROM t WHERE id = 99").num_rows == 0
    assert planned == []
    assert home.value(session, "SELECT count(*) FROM t WHERE id = 99") == 0
    home.do(session, "INSERT INTO t (id, name) VALUES (99, 'there now')")
    assert home.value(session, "SELECT name FROM t WHERE id = 99") == "there now"
    home.do(session, "DELETE FROM t WHERE id = 99")
    assert home.do(session, "SELECT id, name FROM t WHERE id = 99").num_rows == 0


def test_bound_values_are_looked_up(home: House, session: Session, planned: list[str]):
    bound = Request(session, "SELECT id FROM t WHERE id = ?", None, pa.record_batch([[2]], names=["1"]))
    assert home.statements.run(bound).start().read_all().to_pylist() == [{"id": 2}]
    assert planned == []


def test_a_transaction_sees_its_own_changes_and_its_own_moment(home: House, session: Session):
    other = home.enter("other")
    name = "SELECT name FROM t WHERE id = 2"
    home.do(session, "BEGIN")
    assert home.value(session, name) is None
    home.do(other, "UPDATE t SET name = 'theirs' WHERE id = 2")
    assert home.value(session, name) is None
    assert home.value(other, name) == "theirs"
    home.do(session, "ROLLBACK")
    home.do(session, "BEGIN")
    home.do(session, "UPDATE t SET name = 'mine' WHERE id = 2")
    assert home.value(session, name) == "mine"
    assert home.value(other, name) == "theirs"
    home.do(session, "DELETE FROM t WHERE id = 2")
    assert home.do(session, name).num_rows == 0
    home.do(session, "ROLLBACK")
    assert home.value(session, name) == "theirs"


def test_a_temporary_table_hides_the_stored_one(home: House):
    session = home.enter("temporary")
    home.do(session, "CREATE TEMPORARY TABLE t (id INT PRIMARY KEY, name VARCHAR)")
    home.do(session, "INSERT INTO t VALUES (1, 'of the session')")
    assert home.value(session, "SELECT name FROM t WHERE id = 1") == "of the session"
    assert home.value(session, "SELECT code FROM public.t WHERE id = 1") == "c"


def user(home: House, name: str) -> Session:
    record = UserRecord(name=name, role=Role.USER, password_hash="", created_ms=0)
    home.engine.commit(Edit(catalog=lambda catalog: catalog.with_user(record)))
    return home.enter(name, Principal(name, Role.USER))


def refusal(run: Callable[[], object]) -> tuple[type, str]:
    with pytest.raises(FrostlineError) as error:
        run()
    return type(error.value), error.value.message


def test_rights_are_asked_when_it_is_looked_up_and_again_when_it_is_fetched(home: House, session: Session):
    ann = user(home, "ann")
    sql = "SELECT name FROM {} WHERE {}"
    hidden = refusal(lambda: home.do(ann, sql.format("t", "id = 1")))
    assert hidden == refusal(lambda: home.do(ann, sql.format("t", "(id = 1)"))) == (NotFound, hidden[1])
    home.do(session, "GRANT INSERT ON t TO ann")
    denied = refusal(lambda: home.do(ann, sql.format("t", "id = 1")))
    assert denied == refusal(lambda: home.do(ann, sql.format("t", "(id = 1)"))) == (PermissionDenied, denied[1])
    home.do(session, "GRANT SELECT ON t TO ann")
    begun = home.statements.run(Request(ann, sql.format("t", "id = 1")))
    assert home.do(ann, sql.format("t", "id = 1")).num_rows == 1
    home.do(session, "REVOKE ALL ON t FROM ann")
    assert refusal(begun.start)[0] is NotFound


def test_rows_of_a_user_table_are_the_caller_s_own(home: House, session: Session):
    home.do(session, "CREATE USER TABLE notes (id INT PRIMARY KEY, text VARCHAR)")
    for name in ("ben", "cem"):
        home.do(user(home, name), f"INSERT INTO notes VALUES (1, 'of {name}')")
    for name in ("ben", "cem"):
        own = home.enter(name, Principal(name, Role.USER))
        assert home.value(own, "SELECT text FROM notes WHERE id = 1") == f"of {name}"
    assert home.do(session, "SELECT text FROM notes WHERE id = 1").num_rows == 0


@pytest.mark.parametrize("sql", ["SELECT 1", "SELECT 'a b' AS x, 2 AS y", "SELECT TRUE", "select -5"])
def test_constants_are_planned_once(home: House, session: Session, planned: list[str], sql: str):
    first = home.do(session, sql)
    home.do(session, "UPDATE t SET seen = TRUE WHERE id = 1")
    planned.clear()
    again = home.do(home.enter("other"), sql)
    assert planned == []
    assert again.equals(first)
    assert again.schema.equals(first.schema, check_metadata=True)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now()",
        "SELECT random()",
        "SELECT 1 + 1",
        "SELECT 1 WHERE FALSE",
        "SELECT 'a)\n'",
        "SELECT 1 FROM t",
        "SELECT $1",
        "SELECT count(*) FROM system.tables",
    ],
)
def test_what_is_no_constant_is_planned_again(home: House, session: Session, planned: list[str], sql: str):
    values = pa.record_batch([[7]], names=["1"]) if "$" in sql else None
    for _ in range(2):
        home.statements.run(Request(session, sql, None, values)).start().read_all()
    assert planned == [sql, sql]


def test_a_word_that_stands_for_the_user_is_no_constant_of_all_users(home: House, session: Session):
    for _ in range(2):
        assert home.value(session, "SELECT current_user") == "root"
        assert home.value(user(home, "dan"), "SELECT current_user") == "dan"


def test_a_constant_in_a_transaction_is_its_first_statement(home: House, session: Session):
    home.do(session, "SELECT 1")
    other = home.enter("other")
    home.do(session, "BEGIN")
    home.do(session, "SELECT 1")
    home.do(other, "UPDATE t SET name = 'later' WHERE id = 1")
    assert home.value(session, "SELECT name FROM t WHERE id = 1") != "later"
    home.do(session, "ROLLBACK")
