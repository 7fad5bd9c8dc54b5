"""Uploads that are far too large, never end or hardly move: limits end them, memory stays bounded, others are served.

The server has small limits for bytes, rows and seconds. One client at a time misbehaves; another asks small things all
the while. After each, nothing of the upload is stored and no part of it is left on disk.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any
from tests.faults.long.conftest import Shift
from tests.faults.long.figures import MIB, back_at, eventually, figures_of, forget_peak, peak_rss_mib
from tests.faults.long.neighbour import Neighbour
from tests.faults.mixed_load import gone_quietly
from tests.support.server_process import ROOT_PASSWORD, ServerProcess

INGEST_BYTES_MAX = 100 * MIB
BOUND_ROWS_MAX = 10_000
SECONDS_MAX = 8.0
CONFIG = f"""
[query]
statement_seconds_max = {SECONDS_MAX}
[wire]
ingest_bytes_max = {INGEST_BYTES_MAX}
bound_rows_max = {BOUND_ROWS_MAX}
bound_bytes_max = {16 * MIB}
"""
UPLOAD_BYTES = 2048 * MIB
RSS_MIB_MAX = 900  # twelve of the largest message that is sent here, and the idle server's 180
BATCH = pa.table({"k": pa.array(range(1 << 20), pa.int64())}).to_batches()[0]  # 8 MiB

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("server")
    (directory / "frostline.toml").write_text(CONFIG)
    with ServerProcess(directory / "data", "--config", str(directory / "frostline.toml")) as process:
        with process.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE t (k BIGINT)")
            cursor.execute("SELECT count(*) FROM t")
            cursor.fetchall()
        yield process


class Uploader:
    """A client that writes batches by hand, one call at a time."""

    def __init__(self, server: ServerProcess) -> None:
        self.flight = flight.FlightClient(server.uri.replace("grpc:", "grpc+tcp:"))
        token = self.flight.authenticate_basic_token("root", ROOT_PASSWORD)
        self.options = flight.FlightCallOptions(headers=[token], timeout=120)

    def send(self, command: bytes, batches: Iterator[pa.RecordBatch], pause_seconds: float = 0) -> str:
        """Send until refused; what the server said then. Empty when it took all."""
        descriptor = flight.FlightDescriptor.for_command(command)
        writer, reader = self.flight.do_put(descriptor, BATCH.schema, self.options)
        try:
            for batch in batches:
                writer.write_batch(batch)
                time.sleep(pause_seconds)
            writer.done_writing()
            reader.read()
        except (pa.ArrowException, OSError) as error:
            return str(error)
        finally:
            with_refusal = _closed(writer)
        return with_refusal

    def prepared(self, sql: str) -> bytes:
        request = pb.ActionCreatePreparedStatementRequest(query=sql)
        action = flight.Action("CreatePreparedStatement", pack_any(type(request).__name__, request))
        [result] = self.flight.do_action(action, self.options)
        answer = pb.ActionCreatePreparedStatementResult.FromString(
            pb.AnyMessage.FromString(result.body.to_pybytes()).value
        )
        command = pb.CommandPreparedStatementUpdate(prepared_statement_handle=answer.prepared_statement_handle)
        return pack_any(type(command).__name__, command)


def _closed(writer: flight.FlightStreamWriter) -> str:
    try:
        writer.close()
    except (pa.ArrowException, OSError) as error:
        return str(error)
    return ""


def ingest() -> bytes:
    command = pb.CommandStatementIngest(table="t")
    command.table_definition_options.if_not_exist = 1
    command.table_definition_options.if_exists = 2
    return pack_any(type(command).__name__, command)


def two_gigabytes() -> Iterator[pa.RecordBatch]:
    return itertools.repeat(BATCH, UPLOAD_BYTES // BATCH.nbytes)


def one_message() -> Iterator[pa.RecordBatch]:
    """As much as one message may hold here."""
    yield pa.RecordBatch.from_arrays([pa.array(range(40 * MIB // 8), pa.int64())], schema=BATCH.schema)


def for_ever() -> Iterator[pa.RecordBatch]:
    return itertools.repeat(BATCH.slice(0, 1))


ABUSES = {
    "two gigabytes in one load": (ingest, two_gigabytes, 0.0, "54000"),
    "a load that never ends": (ingest, for_ever, 0.0, "57014"),
    "a load of a row now and then": (ingest, for_ever, 0.5, "57014"),
    "two gigabytes of parameters": (None, two_gigabytes, 0.0, "54000"),
    "parameters in one huge message": (None, one_message, 0.0, "54000"),
    "parameters without end": (None, for_ever, 0.0, "5"),
    "a row of parameters now and then": (None, for_ever, 0.5, "57014"),
}


def test_abusive_uploads_are_ended_and_leave_nothing(server: ServerProcess, shift: Shift):
    process_id = server.process.pid
    base = figures_of(process_id)
    for round_ in shift.rounds(len(ABUSES)):
        name = list(ABUSES)[round_ % len(ABUSES)]
        command, batches, pause_seconds, sqlstate = ABUSES[name]
        forget_peak(process_id)
        uploader, begun = Uploader(server), time.monotonic()
        sent = command() if command else uploader.prepared("INSERT INTO t VALUES (?)")
        with Neighbour(server) as neighbour:
            refusal = uploader.send(sent, batches(), pause_seconds)
        uploader.flight.close()
        peak = peak_rss_mib(process_id)
        print(f"{name}: {time.monotonic() - begun:.1f} s, peak {peak} MiB, {neighbour}, {refusal[:110]!r}")
        assert f"[{sqlstate}" in refusal
        assert "Traceback" not in refusal
        assert peak < RSS_MIB_MAX
        neighbour.check()
        check_nothing_is_stored(server)
    back_at(base, process_id, threads_more=32, handles_more=8)


def check_nothing_is_stored(server: ServerProcess) -> None:
    with gone_quietly(server.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(0,)]
    eventually(lambda: not list(parts(server.data / "cold")), "parts of files removed", 10)


def parts(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
