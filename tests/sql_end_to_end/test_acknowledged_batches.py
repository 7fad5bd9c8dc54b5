"""Uploads that stay open and are answered batch by batch: what is stored when, and what ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.support.flight_client import descriptor, wait_until
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client

SCHEMA = pa.schema([("id", pa.int64()), ("v", pa.string())])
IDLE_SECONDS = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("acknowledged")
    config = directory / "frostline.toml"
    config.write_text(f"[server]\nupload_idle_seconds = {IDLE_SECONDS}\n")
    with ServerProcess(directory / "data", "--config", str(config)) as process:
        with process.connect() as connection:
            Client(connection).do("CREATE USER 'bert' PASSWORD 'a password of bert' ROLE 'user'")
        yield process


@pytest.fixture
def sql(server: ServerProcess) -> Iterator[Client]:
    with server.connect() as connection:
        client = Client(connection)
        client.do("DROP TABLE IF EXISTS t")
        client.do("CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT)")
        yield client


class Stream:
    """An upload whose every batch is answered."""

    def __init__(
        self,
        server: ServerProcess,
        table: str = "t",
        schema: pa.Schema = SCHEMA,
        *,
        user: str = "root",
        password: str = ROOT_PASSWORD,
        modes: tuple[int, int] = (2, 2),
        namespace: str | None = None,
        acknowledge: str = "batch",
        transaction: bytes | None = None,
        client: flight.FlightClient | None = None,
    ) -> None:
        """modes: IfMissing, IfExists"""
        self.client = client or flight.FlightClient(server.uri, generic_options=[("grpc.use_local_subchannel_pool", 1)])
        self.options = flight.FlightCallOptions(headers=[self.client.authenticate_basic_token(user, password)])
        command = pb.CommandStatementIngest(table=table, schema=namespace, transaction_id=transaction)
        command.table_definition_options.if_not_exist, command.table_definition_options.if_exists = modes
        command.options["acknowledge"] = acknowledge
        self.schema = schema
        self.writer, self.reader = self.client.do_put(descriptor(command), schema, self.options)

    def send(self, *rows: tuple[object, ...]) -> None:
        columns = list(zip(*rows, strict=True)) if rows else [() for _ in self.schema]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self.schema, strict=True)]
        self.writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self.schema))

    def answer(self) -> tuple[int, int | None]:
        """Rows and last `_seq` of the next batch."""
        data = self.reader.read()
        if data is None:  # the call has ended: closing raises what the server said
            self.writer.close()
        found = pb.DoPutUpdateResult.FromString(data.to_pybytes())
        return found.record_count, found.last_seq if found.HasField("last_seq") else None

    def put(self, *rows: tuple[object, ...]) -> tuple[int, int | None]:
        self.send(*rows)
        return self.answer()

    def end(self) -> None:
        self.writer.done_writing()
        assert self.reader.read() is None
        self.writer.close()

    def refused(self) -> str:
        """What the server said instead of an answer."""
        with pytest.raises((pa.ArrowException, OSError)) as caught:
            self.answer()
        return str(caught.value)


def test_each_batch_is_there_for_others_before_its_answer_and_the_answer_says_up_to_which_seq(
    server: ServerProcess, sql: Client
):
    stream = Stream(server)
    seen = [0]
    for number in range(5):
        rows, last_seq = stream.put((2 * number, "a"), (2 * number + 1, None))
        seen.append(last_seq or 0)
        assert rows == 2
        assert sql.rows("SELECT count(*), max(_seq) FROM t") == [(2 * number + 2, last_seq)]
    assert seen == sorted(set(seen))
    stream.end()


def test_batches_that_are_sent_ahead_are_answered_in_their_order(server: ServerProcess, sql: Client):
    stream = Stream(server)
    for number in range(50):
        stream.send(*((100 * number + k, "x") for k in range(number % 3 + 1)))
    answers = [stream.answer() for _ in range(50)]
    stream.end()
    assert [rows for rows, _ in answers] == [number % 3 + 1 for number in range(50)]
    assert [seq for _, seq in answers] == sorted({seq or 0 for _, seq in answers})
    assert sql.value("SELECT count(*) FROM t") == sum(rows for rows, _ in answers)


def test_a_batch_without_rows_is_answered_too(server: ServerProcess, sql: Client):
    stream = Stream(server)
    assert stream.put() == (0, None)
    assert stream.put((1, "a"))[0] == 1
    assert stream.put() == (0, None)
    stream.end()
    assert sql.rows("SELECT id, v FROM t") == [(1, "a")]


def test_a_batch_with_a_taken_key_ends_the_stream_and_those_before_it_stay(server: ServerProcess, sql: Client):
    stream = Stream(server)
    stream.put((1, "a"))
    for rows in ([(2, "b")], [(3, "c"), (1, "again")], [(4, "d")]):
        stream.send(*rows)
    assert stream.answer()[0] == 1
    assert "[23505]" in stream.refused()
    assert sql.rows("SELECT id, v FROM t ORDER BY id") == [(1, "a"), (2, "b")]


def test_many_streams_with_each_batch_in_one_of_them_store_each_row_once(server: ServerProcess, sql: Client):
    """Also where batches of several streams were gathered, and the key of one of them is taken."""
    sql.do("INSERT INTO t VALUES (777, 'first')")
    streams, batches = 12, 60

    def produce(place: int) -> int:
        stream, stored = Stream(server), 0
        for number in range(batches):
            if place == 3 and number == 30:
                stream.send((777, "second"))
                assert "[23505]" in stream.refused()
                return stored
            rows, last_seq = stream.put((1000 + place * batches + number, f"{place}"))
            assert last_seq is not None
            stored += rows
        stream.end()
        return stored

    with ThreadPoolExecutor(streams) as pool:
        stored = sum(pool.map(produce, range(streams)))
    assert stored == (streams - 1) * batches + 30
    assert sql.rows("SELECT count(*), count(DISTINCT id), count(DISTINCT _seq) FROM t") == [(stored + 1,) * 3]


def test_the_answer_of_a_batch_that_was_gathered_names_the_seq_of_its_own_last_row(server: ServerProcess, sql: Client):
    found: dict[int, int | None] = {}

    def produce(place: int) -> None:
        stream = Stream(server)
        for number in range(40):
            id_ = place * 1000 + 2 * number
            found[id_ + 1] = stream.put((id_, "a"), (id_ + 1, "b"))[1]
        stream.end()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(produce, range(8)))
    assert dict(sql.rows("SELECT id, _seq FROM t WHERE v = 'b'")) == found


KINDS: dict[str, str] = {
    "no key": "CREATE TABLE odd (id BIGINT, v TEXT)",
    "a default": "CREATE TABLE odd (id BIGINT, v TEXT, w TEXT DEFAULT 'w')",
    "an identity": "CREATE TABLE odd (n BIGINT GENERATED ALWAYS AS IDENTITY, id BIGINT, v TEXT)",
    "another type": "CREATE TABLE odd (id DECIMAL(12, 2), v TEXT)",
    "a text that is read": "CREATE TABLE odd (id BIGINT, v DATE)",
    "a user table": "CREATE USER TABLE odd (id BIGINT PRIMARY KEY, v TEXT)",
    "a stream": "CREATE STREAM TABLE odd (id BIGINT, v TEXT) WITH (retention = '1h', max_buffer = 1000)",
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_takes_batches(server: ServerProcess, sql: Client, kind: str):
    sql.do(KINDS[kind])
    try:
        stream, text = Stream(server, "odd"), "2026-01-02"
        assert [stream.put((number, text))[0] for number in range(3)] == [1, 1, 1]
        stream.end()
        assert [int(row[0]) for row in sql.rows("SELECT id FROM odd ORDER BY id")] == [0, 1, 2]
        assert {str(row[0]) for row in sql.rows("SELECT v FROM odd")} == {text}
    finally:
        sql.do("DROP TABLE odd")


def test_a_stream_may_make_its_table_and_a_new_one_replaces_it(server: ServerProcess, sql: Client):
    for modes, ids in (((1, 1), [1, 2]), ((1, 3), [3, 4]), ((1, 2), [5])):
        stream = Stream(server, "made", modes=modes)
        for id_ in ids:
            assert stream.put((id_, "a"))[0] == 1
        stream.end()
    assert sql.rows("SELECT id FROM made ORDER BY id") == [(3,), (4,), (5,)]
    again = Stream(server, "made", modes=(1, 1))
    assert "[42P07]" in again.refused()
    sql.do("DROP TABLE made")
    missing = Stream(server, "made", modes=(2, 2))
    assert "[42P01]" in missing.refused()


def test_large_batches_are_stored_and_answered_like_small_ones(server: ServerProcess, sql: Client):
    stream = Stream(server)
    for number in range(3):
        rows, last_seq = stream.put(*((number * 50_000 + k, "x" * 20) for k in range(50_000)))
        assert (rows, last_seq) == (50_000, sql.value("SELECT max(_seq) FROM t"))
    stream.end()
    assert sql.value("SELECT count(DISTINCT id) FROM t") == 150_000


def test_a_table_that_is_altered_or_made_anew_takes_the_rows_that_still_fit(server: ServerProcess, sql: Client):
    stream = Stream(server)
    stream.put((1, "a"))
    sql.do("ALTER TABLE t ADD COLUMN w INT")
    stream.put((2, "b"))
    sql.do("DROP TABLE t")
    sql.do("CREATE TABLE t (id BIGINT PRIMARY KEY, v TEXT, u TEXT DEFAULT 'u')")
    stream.put((3, "c"))
    assert sql.rows("SELECT * FROM t") == [(3, "c", "u")]
    sql.do("DROP TABLE t")
    stream.send((4, "d"))
    assert "[42P01]" in stream.refused()


def test_a_right_that_is_taken_away_ends_the_stream_at_its_next_batch(server: ServerProcess, sql: Client):
    sql.do("GRANT INSERT ON t TO 'bert'")
    stream = Stream(server, user="bert", password="a password of bert")
    assert stream.put((1, "a"))[0] == 1
    sql.do("REVOKE INSERT ON t FROM 'bert'")
    stream.send((2, "b"))
    assert "[42" in stream.refused()
    assert sql.value("SELECT count(*) FROM t") == 1


def test_an_option_of_no_meaning_and_a_transaction_are_refused(server: ServerProcess, sql: Client):
    assert "acknowledge = 'row'" in Stream(server, acknowledge="row").refused()
    whole = Stream(server, acknowledge="all")
    whole.send((1, "a"))
    whole.send((2, "b"))
    whole.writer.done_writing()
    assert whole.answer() == (2, None)
    client = flight.FlightClient(server.uri)
    options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("root", ROOT_PASSWORD)])
    begin = pb.AnyMessage(
        type_url="type.googleapis.com/arrow.flight.protocol.sql.ActionBeginTransactionRequest"
    ).SerializeToString()
    [answer] = client.do_action(flight.Action("BeginTransaction", begin), options)
    body = pb.AnyMessage.FromString(answer.body.to_pybytes()).value
    id_ = pb.ActionBeginTransactionResult.FromString(body).transaction_id
    assert "[25000]" in Stream(server, transaction=id_).refused()  # of another session
    assert sql.value("SELECT count(*) FROM t") == 2


def ingests(sql: Client, table: str = "t") -> list[str]:
    found = sql.rows("SELECT query_id, text FROM system.queries WHERE state = 'running'")
    return [id_ for id_, text in found if text == f"INGEST INTO {table}"]


def test_a_stream_is_listed_with_its_rows_and_killed(server: ServerProcess, sql: Client):
    sql.do("CREATE OR REPLACE TABLE killed (id BIGINT, v TEXT)")
    stream = Stream(server, "killed")
    stream.put((1, "a"), (2, "b"))
    [id_] = ingests(sql, "killed")
    assert sql.value(f"SELECT rows FROM system.queries WHERE query_id = '{id_}'") == 2
    sql.do(f"KILL QUERY '{id_}'")
    stream.send((3, "c"))
    assert "[57014]" in stream.refused()
    wait_until(lambda: not ingests(sql, "killed"))
    assert sql.value("SELECT count(*) FROM killed") == 2


def test_a_statement_timeout_counts_from_each_batch(server: ServerProcess, sql: Client):
    """The stream lasts longer than its session lets a statement run, and no batch does."""
    stream = Stream(server)
    client, options = stream.client, stream.options
    request = pb.SetSessionOptionsRequest()
    request.session_options["statement_timeout_seconds"].double_value = 0.5
    list(client.do_action(flight.Action("SetSessionOptions", request.SerializeToString()), options))
    again = Stream(server, client=client)
    pause = threading.Event()
    for number in range(5):
        assert again.put((number, "a"))[0] == 1
        pause.wait(0.3)
    again.end()


def test_a_stream_that_stands_still_is_ended_and_keeps_what_it_has_stored(server: ServerProcess, sql: Client):
    stream = Stream(server)
    stream.put((1, "a"))
    wait_until(lambda: not ingests(sql), seconds=IDLE_SECONDS + 10)
    assert stream.refused()
    assert sql.value("SELECT count(*) FROM t") == 1


def test_a_client_that_reads_no_answer_is_let_go_and_keeps_what_was_stored(server: ServerProcess, sql: Client):
    """It sends until it can't, since the server waits for room to write its answers into, of which there is little."""
    little_room = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 16_384)]
    stream = Stream(server, client=flight.FlightClient(server.uri, generic_options=little_room))
    ended = threading.Event()

    def send() -> None:
        with suppress(pa.ArrowException, OSError):
            for number in range(1_000_000):
                stream.send((number, "a"))
        ended.set()

    threading.Thread(target=send, daemon=True).start()
    assert ended.wait(60)
    wait_until(lambda: not ingests(sql), seconds=20)
    assert sql.value("SELECT count(*) FROM t") > 100


def test_a_client_that_goes_away_leaves_whole_batches(server: ServerProcess, sql: Client):
    stream = Stream(server)
    for number in range(200):
        stream.send((2 * number, "a"), (2 * number + 1, "b"))
    stream.answer()
    stream.client.close()
    del stream
    wait_until(lambda: not ingests(sql), seconds=20)
    assert sql.value("SELECT count(*) FROM t") % 2 == 0
    assert sql.value("SELECT count(*) FROM t") >= 2


def test_a_server_that_stops_ends_open_streams_and_has_all_that_was_acknowledged(tmp_path: Path):
    with ServerProcess(tmp_path / "data") as server:
        stream = Stream(server, modes=(1, 2))
        for number in range(20):
            stream.put((number, "a"))
        assert server.stop() == 0
        assert stream.refused()
    with ServerProcess(tmp_path / "data") as server, server.connect() as connection:
        assert Client(connection).value("SELECT count(*) FROM t") == 20


@pytest.mark.parametrize("end", ["kill", "kill while writing"])
def test_a_server_that_is_killed_has_all_that_was_acknowledged(tmp_path: Path, end: str):
    acknowledged: list[int] = []

    def produce(place: int, server: ServerProcess, is_enough: Callable[[], bool]) -> None:
        stream = Stream(server, modes=(1, 2))
        try:
            for number in range(10_000):
                id_ = place * 10_000 + number
                stream.put((id_, "a"))
                acknowledged.append(id_)
                if is_enough():
                    return
        except (pa.ArrowException, OSError, AttributeError):
            pass

    with ServerProcess(tmp_path / "data") as server:
        produce(9, server, lambda: len(acknowledged) >= 5)
        with ThreadPoolExecutor(4) as pool:
            enough = 200 if end == "kill" else 100_000
            running = [pool.submit(produce, place, server, lambda: len(acknowledged) >= enough) for place in range(4)]
            wait_until(lambda: len(acknowledged) >= 150, seconds=30)
            if end == "kill":
                [each.result() for each in running]
            server.kill()
    with ServerProcess(tmp_path / "data") as server, server.connect() as connection:
        found = {id_ for (id_,) in Client(connection).rows("SELECT id FROM t")}
    assert set(acknowledged) <= found
