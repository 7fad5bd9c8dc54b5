"""Readers that take their time, stop, or die: each holds back its own query and no more.

Flow control holds a query back once its reader stops, so what one reader costs is bounded: what the engine may run
ahead, the messages in gRPC's hands, and the batches that the plan itself has under way. Calls over the limit are
refused at once. When readers leave or are killed their queries end, and threads and handles go back to where they were.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any
from tests.faults.long.conftest import Shift
from tests.faults.long.figures import back_at, eventually, figures_of, forget_peak, peak_rss_mib
from tests.faults.long.neighbour import Neighbour
from tests.faults.mixed_load import gone_quietly
from tests.support.server_process import REPOSITORY, ROOT_PASSWORD, ServerProcess

READERS = 500
CALLS_MAX = 120  # of which one is the neighbour's
STREAM_MIB_MAX = 48  # 16 that a query may run ahead; the rest are the batches that four partitions have under way
IDLE_MIB = 400
SQL = "SELECT value, value * 2 AS twice, 'some text of a row ' || value AS note FROM generate_series(1, 50000000)"
REFUSAL = "calls are running, which is the limit"
CONFIG = f"[server]\nrpc_concurrent_max = {CALLS_MAX}\n"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("server")
    (directory / "frostline.toml").write_text(CONFIG)
    with ServerProcess(directory / "data", "--config", str(directory / "frostline.toml")) as process:
        with gone_quietly(process.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
            cursor.execute("SELECT count(*) FROM generate_series(1, 3000000)")  # starts the engine's threads
            cursor.fetchall()
        yield process


class Reader:
    """One connection with one query, of which it takes a message whenever it is told to."""

    def __init__(self, uri: str) -> None:
        # A channel of its own: gRPC shares one between clients of a process otherwise.
        self.flight = flight.FlightClient(uri, generic_options=[("grpc.use_local_subchannel_pool", 1)])
        token = self.flight.authenticate_basic_token("root", ROOT_PASSWORD)
        self._options = flight.FlightCallOptions(headers=[token])
        command = pb.CommandStatementQuery(query=SQL)
        packed = flight.FlightDescriptor.for_command(pack_any(type(command).__name__, command))
        info = self.flight.get_flight_info(packed, self._options)
        self.stream = self.flight.do_get(info.endpoints[0].ticket, self._options)
        self.rows = 0

    def take(self) -> None:
        self.rows += self.stream.read_chunk().data.num_rows

    def close(self) -> None:
        self.stream.cancel()
        self.flight.close()
        del self.stream, self.flight  # or they keep the connection


def running(server: ServerProcess) -> int:
    """Statements that the server says are running, this question left out."""
    with gone_quietly(server.connect()) as connection, gone_quietly(connection.cursor()) as cursor:
        cursor.execute("SELECT count(*) FROM system.queries WHERE state = 'running'")
        ((found,),) = cursor.fetchall()
        return int(found) - 1


def admitted(server: ServerProcess) -> Reader | None:
    """A reader with its first rows; None when the server says that its limit is reached."""
    try:
        reader = Reader(server.uri)
        reader.take()
    except (pa.ArrowException, OSError) as error:
        if REFUSAL not in str(error):
            raise
        return None
    return reader


def test_hundreds_of_slow_readers_cost_a_bounded_buffer_each(server: ServerProcess, shift: Shift):
    process_id = server.process.pid
    base = figures_of(process_id)
    for _ in shift.rounds(1):
        forget_peak(process_id)
        readers, refused = list[Reader](), 0
        with ExitStack() as open_readers, Neighbour(server, allowed_refusal=REFUSAL) as neighbour:
            for _ in range(READERS):
                if len(readers) >= CALLS_MAX - 10 and refused >= 20:
                    break  # the others would be refused as these were
                reader = admitted(server)
                if reader is None:
                    refused += 1
                    continue
                readers.append(reader)
                open_readers.callback(reader.close)
            for reader in readers[::10]:
                reader.take()  # slow, but moving
            peak = peak_rss_mib(process_id)
            count = len(readers)
        print(f"{count} readers at once, {refused} refused, peak {peak} MiB, {neighbour}")
        reader = None
        readers.clear()  # a connection lives as long as its object
        neighbour.check()
        assert count > CALLS_MAX / 2
        assert peak < IDLE_MIB + STREAM_MIB_MAX * count
        back_at(base, process_id, threads_more=16, handles_more=8, seconds=60)
    eventually(lambda: running(server) == 0, "no statement is running")


def test_a_reader_that_is_killed_ends_its_query(server: ServerProcess, shift: Shift):
    base = figures_of(server.process.pid)
    for _ in shift.rounds(1):
        client = subprocess.Popen(
            [sys.executable, "-c", KILLED_CLIENT, server.uri], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "reading\n"
        assert running(server) == 5
        client.kill()
        client.wait(30)
        client.stdout.close()
        eventually(lambda: running(server) == 0, "the queries of a killed client ended")
        back_at(base, server.process.pid, threads_more=8, handles_more=4)


KILLED_CLIENT = """
import sys, threading
from tests.faults.long.test_slow_readers import Reader
readers = [Reader(sys.argv[1]) for _ in range(5)]
for reader in readers:
    reader.take()
print("reading", flush=True)
threading.Event().wait()
"""
