"""Savepoints, as SQL and as Flight SQL's actions: what they undo, what they keep, how they nest and end."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.sql.scopes.savepoints import SAVEPOINTS_MAX
from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client


@pytest.fixture
def table(client: Client) -> Client:
    client.do("CREATE TABLE t (id INT PRIMARY KEY, n INT); INSERT INTO t VALUES (1, 10), (2, 20)")
    return client


def test_rolling_back_to_a_savepoint_undoes_every_kind_of_change_since(
    table: Client, connect: Callable[[], Client]
) -> None:
    table.do("BEGIN; INSERT INTO t VALUES (3, 30); SAVEPOINT here")
    table.do("UPDATE t SET n = 0; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (4, 40)")
    table.do("MERGE INTO t USING (VALUES (9)) AS s (id) ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (9, 9)")
    table.do("CREATE TABLE made (a INT); INSERT INTO made VALUES (1); ALTER TABLE t ADD COLUMN more INT")
    assert table.ingest("t", pa.table({"id": [5, 6]}), mode="append") == 2
    table.do_many("INSERT INTO t (id, n) VALUES (?, ?)", [(7, 70), (8, 80)])
    table.do("TRUNCATE t")
    table.do("ROLLBACK TO SAVEPOINT here")
    assert table.rows("SELECT * FROM t ORDER BY id") == [(1, 10), (2, 20), (3, 30)]
    assert table.sqlstate("SELECT * FROM made") == "42P01"
    table.do("INSERT INTO t VALUES (4, 44)")
    table.do("COMMIT")
    assert connect().rows("SELECT * FROM t ORDER BY id") == [(1, 10), (2, 20), (3, 30), (4, 44)]


def test_a_savepoint_can_be_rolled_back_to_again_and_again(table: Client) -> None:
    table.do("BEGIN; SAVEPOINT a")
    for n in range(3):
        table.do("INSERT INTO t VALUES (3, ?)", (n,))
        table.do("ROLLBACK TO a")
    table.do("COMMIT")
    assert table.value("SELECT count(*) FROM t") == 2


def test_a_large_load_after_a_savepoint_leaves_nothing_when_it_is_undone(table: Client) -> None:
    rows = 400_000
    whole = pa.table({"id": pa.array(range(10, rows + 10), pa.int32()), "text": ["words that take room " * 5] * rows})
    load = pa.Table.from_batches(whole.to_batches(max_chunksize=50_000))
    table.do("CREATE TABLE big (id INT PRIMARY KEY, text VARCHAR); BEGIN; SAVEPOINT a")
    assert table.ingest("big", load, mode="append") == rows
    table.do("ROLLBACK TO a")
    assert table.value("SELECT count(*) FROM big") == 0
    table.do("INSERT INTO big VALUES (10, 'again'); COMMIT")
    assert table.rows("SELECT * FROM big") == [(10, "again")]


def test_releasing_keeps_the_changes_and_forgets_the_younger_savepoints(table: Client) -> None:
    table.do("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (3, 3); SAVEPOINT b; INSERT INTO t VALUES (4, 4)")
    table.do("RELEASE SAVEPOINT a")
    assert table.sqlstate("ROLLBACK TO b") == "3B001"
    assert table.sqlstate("RELEASE a") == "3B001"
    table.do("COMMIT")
    assert table.value("SELECT count(*) FROM t") == 4


def test_rolling_back_forgets_the_younger_savepoints(table: Client) -> None:
    table.do("BEGIN; SAVEPOINT a; SAVEPOINT b; ROLLBACK TO a")
    refused = table.refusal("ROLLBACK TO b")
    assert (refused.sqlstate, "savepoint 'b' is not open" in refused.message) == ("3B001", True)
    table.do("ROLLBACK TO a; ROLLBACK")


def test_a_name_that_is_used_again_hides_the_older_savepoint_until_it_is_released(table: Client) -> None:
    table.do("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (3, 3); SAVEPOINT a; INSERT INTO t VALUES (4, 4)")
    table.do("ROLLBACK TO a")
    assert table.value("SELECT count(*) FROM t") == 3
    table.do("RELEASE a; ROLLBACK TO a")
    assert table.value("SELECT count(*) FROM t") == 2
    table.do("ROLLBACK")


def test_a_failed_statement_leaves_savepoints_and_transaction_usable(table: Client) -> None:
    table.do("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (3, 3)")
    assert table.sqlstate("INSERT INTO t VALUES (1, 1)") == "23505"
    assert table.sqlstate("SELECT nothing FROM t") == "42703"
    table.do("ROLLBACK TO a; INSERT INTO t VALUES (5, 5); COMMIT")
    assert table.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,), (5,)]


def test_savepoints_end_with_their_transaction_and_need_one(table: Client) -> None:
    assert table.sqlstate("SAVEPOINT a") == "25P01"
    table.do("BEGIN; SAVEPOINT a; COMMIT")
    assert table.sqlstate("ROLLBACK TO a") == "25P01"
    table.do("BEGIN")
    assert table.sqlstate("ROLLBACK TO a") == "3B001"
    table.do("ROLLBACK")


def test_savepoints_are_limited_in_number(table: Client) -> None:
    table.do("BEGIN")
    table.do("; ".join(["SAVEPOINT a"] * SAVEPOINTS_MAX))
    assert table.sqlstate("SAVEPOINT a") == "54000"
    table.do("RELEASE a; SAVEPOINT a; ROLLBACK")


# --- the same by Flight SQL's actions --------------------------------------------------------------------------


class Wire:
    """A log-in that speaks Flight SQL by hand."""

    def __init__(self, server: ServerProcess) -> None:
        self.flight = flight.FlightClient(server.uri)
        token = self.flight.authenticate_basic_token("root", ROOT_PASSWORD)
        self.options = flight.FlightCallOptions(headers=[token])

    def act(self, kind: str, message: object) -> list[pb.AnyMessage]:
        action = flight.Action(kind, pack_any(f"Action{kind}Request", message))
        return [pb.AnyMessage.FromString(r.body.to_pybytes()) for r in self.flight.do_action(action, self.options)]

    def do(self, sql: str, transaction: bytes | None = None) -> None:
        message = pb.CommandStatementUpdate(query=sql, transaction_id=transaction)
        descriptor = flight.FlightDescriptor.for_command(pack_any("CommandStatementUpdate", message))
        writer, reader = self.flight.do_put(descriptor, pa.schema([]), self.options)
        with writer:
            writer.done_writing()
            reader.read()

    def begin(self) -> bytes:
        [answer] = self.act("BeginTransaction", pb.ActionBeginTransactionRequest())
        return pb.ActionBeginTransactionResult.FromString(answer.value).transaction_id

    def savepoint(self, transaction: bytes, name: str) -> bytes:
        message = pb.ActionBeginSavepointRequest(transaction_id=transaction, name=name)
        [answer] = self.act("BeginSavepoint", message)
        assert answer.type_url.endswith("/arrow.flight.protocol.sql.ActionBeginSavepointResult")
        return pb.ActionBeginSavepointResult.FromString(answer.value).savepoint_id

    def end_savepoint(self, savepoint: bytes, action: int) -> None:
        assert self.act("EndSavepoint", pb.ActionEndSavepointRequest(savepoint_id=savepoint, action=action)) == []


@pytest.fixture
def wire(server: ServerProcess) -> Wire:
    return Wire(server)


def test_the_actions_mark_roll_back_and_release(table: Client, wire: Wire) -> None:
    name = f"{table.namespace}.t"
    transaction = wire.begin()
    first = wire.savepoint(transaction, "same")
    wire.do(f"INSERT INTO {name} VALUES (3, 3)", transaction)
    second = wire.savepoint(transaction, "same")
    wire.do(f"INSERT INTO {name} VALUES (4, 4)", transaction)
    wire.end_savepoint(second, 2)
    wire.do(f"INSERT INTO {name} VALUES (5, 5)", transaction)
    wire.end_savepoint(first, 1)
    with pytest.raises(pa.ArrowInvalid, match=r"\[3B001\] savepoint with this id is not open"):
        wire.end_savepoint(second, 2)
    wire.act("EndTransaction", pb.ActionEndTransactionRequest(transaction_id=transaction, action=1))
    assert table.rows("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (5,)]


def test_the_actions_are_refused_out_of_place(wire: Wire, server: ServerProcess) -> None:
    with pytest.raises(pa.ArrowInvalid, match=r"\[25P01\] no transaction is open"):
        wire.end_savepoint(b"x", 1)
    with pytest.raises(pa.ArrowKeyError, match=r"\[25000\] the transaction is not open"):
        wire.savepoint(b"x", "a")
    transaction = wire.begin()
    savepoint = wire.savepoint(transaction, "a")
    with pytest.raises(pa.ArrowInvalid, match=r"use 1 \(release\) or 2 \(roll back\)"):
        wire.end_savepoint(savepoint, 0)
    with pytest.raises(pa.ArrowKeyError, match=r"\[25000\] the transaction is not open"):
        Wire(server).savepoint(transaction, "a")
    wire.act("EndTransaction", pb.ActionEndTransactionRequest(transaction_id=transaction, action=2))
