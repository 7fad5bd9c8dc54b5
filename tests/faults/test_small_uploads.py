"""Uploads of a few bytes that stand for gigabytes, and uploads that stand still, against a real server.

What each type stands for is counted in tests/wire/test_written_out.py; here it is refused, by whatever way it comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.support.flight_client import descriptor, wait_until
from tests.support.flight_client import packed as packed_command
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client
from tests.wire.small_arrays import SMALL, as_list

IDLE_SECONDS = 3.0
CALLS_MAX = 60
CONFIG = f"""
[server]
rpc_concurrent_max = {CALLS_MAX}
rpc_per_user_max = {CALLS_MAX}
upload_idle_seconds = {IDLE_SECONDS}
[wire]
upload_batch_bytes_max = 4000000
"""
WAYS = ("a new table", "a table", "bound parameters")
NUMBERS = pa.table({"a": pa.array([1], pa.int64())})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("small")
    (directory / "frostline.toml").write_text(CONFIG)
    with ServerProcess(directory / "data", "--config", str(directory / "frostline.toml")) as process:
        with process.connect() as connection:
            client = Client(connection)
            client.do("CREATE TABLE numbers (a BIGINT)")
            client.do("CREATE TABLE filled (a BIGINT, t TEXT DEFAULT repeat('x', 1000000))")
            client.do("CREATE USER 'bert' PASSWORD 'a password of bert' ROLE 'service'")
        yield process


class Sender:
    """A user on a connection of its own."""

    def __init__(self, server: ServerProcess, user: str = "root", password: str = ROOT_PASSWORD) -> None:
        self.flight = flight.FlightClient(server.uri, generic_options=[("grpc.use_local_subchannel_pool", 1)])
        self.options = flight.FlightCallOptions(headers=[self.flight.authenticate_basic_token(user, password)])

    def ingest(self, table: str) -> flight.FlightDescriptor:
        command = pb.CommandStatementIngest(table=table)
        command.table_definition_options.if_not_exist = 1
        command.table_definition_options.if_exists = 2
        return descriptor(command)

    def bound(self, sql: str) -> flight.FlightDescriptor:
        request = packed_command(pb.ActionCreatePreparedStatementRequest(query=sql))
        [result] = self.flight.do_action(flight.Action("CreatePreparedStatement", request), self.options)
        body = pb.AnyMessage.FromString(result.body.to_pybytes()).value
        handle = pb.ActionCreatePreparedStatementResult.FromString(body).prepared_statement_handle
        return descriptor(pb.CommandPreparedStatementUpdate(prepared_statement_handle=handle))

    def put(self, command: flight.FlightDescriptor, batch: pa.RecordBatch) -> None:
        writer, reader = self.flight.do_put(command, batch.schema, self.options)
        with writer:
            writer.write_batch(batch)
            writer.done_writing()
            reader.read()

    def stuck(self, command: flight.FlightDescriptor, schema: pa.Schema = NUMBERS.schema):
        return self.flight.do_put(command, schema, self.options)[0]


def by(way: str, sender: Sender) -> flight.FlightDescriptor:
    match way:
        case "a new table":
            return sender.ingest("made")
        case "a table":
            return sender.ingest("numbers")
        case _:
            return sender.bound("INSERT INTO numbers VALUES (?)")


def resident_bytes(server: ServerProcess) -> int:
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def sent(kind: str) -> pa.RecordBatch:
    """Fewer rows than a batch may have, but where it is the rows that are many."""
    small, _ = SMALL[kind]
    if len(small) > 1 << 20 and kind not in ("null", "run ends", "run ends of null"):
        small = as_list(small)
    return pa.record_batch([small], names=["a"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind != "dictionary of null"])
def test_few_bytes_that_stand_for_many_are_refused_at_once(server: ServerProcess, kind: str, way: str):
    sender = Sender(server)
    before = resident_bytes(server)
    with pytest.raises((pa.ArrowException, OSError), match=r"\[54000\] .*wire\.upload_batch_(rows|bytes)_max"):
        sender.put(by(way, sender), sent(kind))
    assert resident_bytes(server) - before < 300 << 20
    sender.put(sender.ingest("numbers"), NUMBERS.to_batches()[0])  # the connection goes on


@pytest.mark.parametrize("rows", [2**31 - 1, 2**20 + 1])
def test_null_rows_beside_a_default_are_refused_at_once(server: ServerProcess, rows: int):
    sender = Sender(server)
    with pytest.raises(pa.ArrowInvalid, match=r"54000.*wire\.upload_batch_rows_max"):
        sender.put(sender.ingest("filled"), pa.record_batch([pa.nulls(rows)], names=["a"]))


def test_a_default_is_put_beside_rows_in_slices_and_a_cancel_comes_between(server: ServerProcess):
    """100,000 rows of 1,000,000 bytes each: 100 GB, which nobody waits for, however well they are packed."""
    sender = Sender(server)
    before = resident_bytes(server)
    options, sender.options = (
        sender.options,
        flight.FlightCallOptions(headers=[sender.flight.authenticate_basic_token("root", ROOT_PASSWORD)], timeout=3.0),
    )
    with pytest.raises(flight.FlightTimedOutError):
        sender.put(sender.ingest("filled"), pa.record_batch([pa.array(range(100_000))], names=["a"]))
    assert resident_bytes(server) - before < 1 << 30
    sender.options = options
    wait_until(lambda: not running(server), seconds=20)
    assert rows_of(server, "filled") == 0


def running(server: ServerProcess) -> list[str]:
    with server.connect() as connection:
        found = Client(connection).rows("SELECT query_id, text FROM system.queries WHERE state = 'running'")
    return [id_ for id_, text in found if text.startswith("INGEST")]


def rows_of(server: ServerProcess, table: str) -> int:
    with server.connect() as connection:
        ((count,),) = Client(connection).rows(f"SELECT count(*) FROM {table}")
        return int(count)


def test_an_upload_that_stands_still_is_killed(server: ServerProcess):
    sender = Sender(server)
    writer = sender.stuck(sender.ingest("killed"))
    wait_until(lambda: len(running(server)) == 1)
    [id_] = running(server)
    with server.connect() as connection:
        Client(connection).do(f"KILL QUERY '{id_}'")
    wait_until(lambda: not running(server))  # and not only when the client moves
    with pytest.raises((flight.FlightUnavailableError, flight.FlightCancelledError)):
        writer.close()


def test_all_places_taken_by_one_users_uploads_leave_root_its_own_and_come_back(server: ServerProcess):
    bert, again = (Sender(server, "bert", "a password of bert") for _ in range(2))
    writers = [bert.stuck(bert.ingest("numbers")) for _ in range(2 * CALLS_MAX)]
    wait_until(lambda: not _is_let_in(again))
    with server.connect() as connection:
        root = Client(connection)
        assert root.rows("SELECT 1 AS one") == [(1,)]
        assert root.value("SELECT count(*) > 0 FROM system.queries WHERE state = 'running'")
    wait_until(lambda: _is_let_in(again), seconds=20)
    wait_until(lambda: not running(server), seconds=20)
    for writer in writers:
        with suppress(pa.ArrowException, OSError):
            writer.close()


def _is_let_in(sender: Sender) -> bool:
    try:
        list(sender.flight.do_action(flight.Action("GetSessionOptions", b""), sender.options))
    except flight.FlightUnavailableError:
        return False
    return True
