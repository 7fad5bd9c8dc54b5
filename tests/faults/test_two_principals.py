"""Two users on one real server: what one of them gets of the other's settings, tables, tickets, handles and queries.

Nothing, and told in the same words as for what never was. How handles are made and damaged: test_wire_abuse.py; who may
do what by right: tests/sql_end_to_end/test_rights.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.sql_end_to_end.people import People
from tests.support.flight_client import Client, packed
from tests.support.server_process import ServerProcess

NOTHING = pa.table({"a": pa.array([], pa.int32())})


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    with ServerProcess(tmp_path_factory.mktemp("two") / "data") as process, People(process) as people:
        people.root.do("CREATE TABLE open (a INT) WITH (access_level = 'public')")
        people.root.do("CREATE TABLE anns (a INT); INSERT INTO anns VALUES (1), (2)")
        people.root.do(f"GRANT ALL ON anns TO '{people.name('user')}'")
        people.root.do(f"CREATE USER '{people.name('bob')}' WITH PASSWORD '{people.password('bob')}'")
        yield people


@pytest.fixture
def ann(people: People) -> Client:
    return people.wire("user")


@pytest.fixture
def bob(people: People) -> Client:
    return people.wire("bob")


def told(act: Callable[[], object]) -> str:
    """What a call is refused with, without what gRPC adds."""
    with pytest.raises((pa.ArrowException, pa.ArrowKeyError)) as refused:
        act()
    return re.split(r"\. Detail:|\. gRPC", str(refused.value))[0]


def ticket(info) -> bytes:
    return info.endpoints[0].ticket.ticket


def prepared_query(handle: bytes) -> pb.CommandPreparedStatementQuery:
    return pb.CommandPreparedStatementQuery(prepared_statement_handle=handle)


def prepared_update(handle: bytes) -> pb.CommandPreparedStatementUpdate:
    return pb.CommandPreparedStatementUpdate(prepared_statement_handle=handle)


# --- settings and lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    ["SET TIME ZONE 'Asia/Tokyo'", "SET durability = 'relaxed'", "SET statement_timeout_seconds = 77", "RESET ALL"],
)
def test_no_setting_of_one_reaches_the_other(people: People, change: str):
    first, second = people.connect("user"), people.connect("bob")
    before = second.rows("SHOW ALL")
    if change == "RESET ALL":
        assert first.sqlstate(change) == "0A000"
    else:
        first.do(change)
        assert first.rows("SHOW ALL") != before
    assert second.rows("SHOW ALL") == before
    assert people.connect("bob").rows("SHOW ALL") == before


def test_the_engines_own_settings_are_nobodys_to_read_or_change(people: People):
    for role in ("bob", "dba"):
        client = people.connect(role)
        for sql, sqlstate in {
            "SELECT * FROM information_schema.df_settings": "42P01",
            "SHOW datafusion.execution.batch_size": "42704",
            "SET datafusion.execution.batch_size = 1": "42704",
            "SET datafusion.catalog.information_schema = true": "42704",
            "RESET datafusion.execution.batch_size": "42704",
        }.items():
            assert client.sqlstate(sql) == sqlstate, sql
        assert not any("datafusion" in name for name, _ in client.rows("SHOW ALL"))


def test_nothing_that_bob_can_read_names_what_is_anns(people: People, ann: Client):
    """Every relation there is, and every metadata command, at once."""
    ann.fetch(ann.query(f"SELECT 'the words of ann' AS w FROM {people.namespace}.anns"))
    bob, wire = people.connect("bob"), people.wire("bob")
    relations = bob.rows("SELECT table_schema, table_name FROM information_schema.tables")
    assert ("system", "queries") in relations
    shown = {f"{s}.{t}": str(bob.rows(f'SELECT * FROM "{s}"."{t}"')) for s, t in relations}
    shown["objects"] = str(bob.connection.adbc_get_objects(depth="all").read_all().to_pylist())
    for command in (
        pb.CommandGetTables(include_schema=True),
        pb.CommandGetDbSchemas(),
        pb.CommandGetCatalogs(),
        pb.CommandGetPrimaryKeys(table="anns"),
        pb.CommandGetTables(table_name_filter_pattern="an%"),
    ):
        shown[command.DESCRIPTOR.name] = str(wire.fetch(wire.info(command)).to_pylist())
    own = "SELECT * FROM system.queries"
    for name, text in shown.items():
        for secret in (people.name("user"), "the words of ann", "'anns'", ".anns", "argon2", people.name("dba")):
            assert secret not in text.replace(own, ""), name


# --- handles and tickets ---------------------------------------------------------------------------------------


def test_a_ticket_of_one_is_worthless_to_the_other_and_still_good_for_its_owner(
    people: People, ann: Client, bob: Client
):
    info = ann.query(f"SELECT a FROM {people.namespace}.anns")
    never = ticket(bob.query("SELECT 1 AS one"))
    unknown = told(lambda: _twice(bob, never))
    assert told(lambda: bob.fetch(info)) == unknown
    assert told(lambda: bob.cancel(info)) == unknown
    assert told(lambda: people.wire("dba").fetch(info)) == unknown  # a higher role is another owner all the same
    assert ann.fetch(info).num_rows == 2


def _twice(client: Client, data: bytes) -> None:
    """The second fetch of one ticket: what is told of every one that is not there."""
    for _ in range(2):
        client.get(flight.Ticket(data))


def test_a_prepared_statement_of_one_is_not_the_others(people: People, ann: Client, bob: Client):
    table = f"{people.namespace}.anns"
    reading, writing = ann.prepare(f"SELECT a FROM {table}"), ann.prepare(f"INSERT INTO {table} VALUES (3)")
    mine = bob.prepare("SELECT 1 AS one").prepared_statement_handle
    bob.close_prepared(mine)
    unknown = told(lambda: bob.info(prepared_query(mine)))
    for handle in (reading.prepared_statement_handle, writing.prepared_statement_handle):
        for act in (
            lambda h: bob.info(prepared_query(h)),
            lambda h: bob.schema(prepared_query(h)),
            lambda h: bob.put(prepared_update(h), NOTHING.select([])),
            lambda h: bob.put(prepared_query(h), NOTHING),
            lambda h: bob.close_prepared(h),
        ):
            assert told(partial(act, handle)) == unknown
    assert ann.fetch(ann.info(prepared_query(reading.prepared_statement_handle))).num_rows == 2


def test_a_transaction_of_one_is_not_the_others(people: People, ann: Client, bob: Client):
    [body] = ann.act("BeginTransaction", packed(pb.ActionBeginTransactionRequest()))
    id_ = pb.ActionBeginTransactionResult.FromString(pb.AnyMessage.FromString(body).value).transaction_id
    query = pb.CommandStatementQuery(query="SELECT 1 AS one", transaction_id=id_)
    never = pb.CommandStatementQuery(query="SELECT 1 AS one", transaction_id=bytes(16))
    end = packed(pb.ActionEndTransactionRequest(transaction_id=id_, action=1))
    assert (
        told(lambda: bob.info(query)) == told(lambda: bob.info(never)) == told(lambda: bob.act("EndTransaction", end))
    )
    ann.act("EndTransaction", packed(pb.ActionEndTransactionRequest(transaction_id=id_, action=2)))


def test_a_query_of_one_is_not_the_others_to_see_or_to_kill(people: People, ann: Client):
    info = ann.query(f"SELECT a AS looked_for FROM {people.namespace}.anns")
    sql = "SELECT query_id FROM system.queries WHERE text LIKE '%AS looked_for%' AND state = 'planned'"
    [(query_id,)] = people.root.rows(sql)
    bob = people.connect("bob")
    assert bob.rows(sql) == []
    told_of = [bob.refusal(f"KILL QUERY '{id_}'").message for id_ in (query_id, "never-1")]
    assert told_of[0].replace(query_id, "never-1") == told_of[1]
    assert ann.fetch(info).num_rows == 2


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE gone",
        "DROP TABLE gone; CREATE TABLE gone (a INT)",
        "REVOKE SELECT ON gone FROM '{u}'",
        "ALTER USER '{u}' PASSWORD 'another one'",
        "DROP USER '{u}'",
        "DROP USER '{u}'; UNDROP USER '{u}'",
    ],
)
def test_what_was_handed_out_before_a_change_is_worth_nothing_after_it(people: People, change: str):
    """Replayed after drop, revoke, another password: tickets, handles and tokens alike."""
    user = f"guest_{people.root.value('SELECT count(*) FROM system.users')}"
    people.root.do("DROP TABLE IF EXISTS gone; CREATE TABLE gone (a INT); INSERT INTO gone VALUES (1)")
    people.root.do(f"CREATE USER '{user}' WITH PASSWORD 'x'; GRANT SELECT ON gone TO '{user}'")
    guest = Client(_Guest(people, user))  # type: ignore[arg-type]
    sql = f"SELECT a FROM {people.namespace}.gone"
    handle = guest.prepare(sql).prepared_statement_handle
    assert guest.fetch(guest.info(prepared_query(handle))).num_rows == 1
    info = guest.query(sql)
    people.root.do(change.replace("{u}", user))
    expected = "28000" if "USER" in change else "42P01"
    for act in (lambda: guest.info(prepared_query(handle)), lambda: guest.query(sql), lambda: guest.fetch(info)):
        assert f"[{expected}]" in told(act)


class _Guest:
    """A log-in for `Client`."""

    def __init__(self, people: People, user: str) -> None:
        self._people = people
        self._user = user

    def flight(self, _: str):
        client = self._people._stack.enter_context(flight.connect(self._people.server.uri))
        token = client.authenticate_basic_token(self._user, "x")
        return client, flight.FlightCallOptions(headers=[token])


def test_a_handle_of_another_server_says_nothing(people: People, bob: Client, tmp_path: Path):
    with ServerProcess(tmp_path / "data") as process, People(process) as elsewhere:
        info = elsewhere.wire("user").query("SELECT 1 AS one")
    never = ticket(bob.query("SELECT 1 AS one"))
    assert told(lambda: bob.fetch(info)) == told(lambda: _twice(bob, never))
