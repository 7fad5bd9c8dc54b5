"""Clients that begin things and do not wait for their end, and what a process still holds afterwards."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.flight as flight

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any
from tests.faults.abused import select
from tests.support.server_process import ROOT_PASSWORD, ServerProcess

CONFIG = "[query]\nmemory_bytes_max = 100000000\npartitions = 2\nbatch_rows = 8192\n"  # large sorts go to disk
HANG_SECONDS = 60.0
ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000)"
SPILLING = "SELECT value % 1000 AS k, value, repeat('x', 50) FROM generate_series(1, 3000000) ORDER BY 1, 2"
TEXTS = (
    ENDLESS,
    SPILLING,
    "SELECT * FROM generate_series(1, 1000000000000)",
    "SELECT count(DISTINCT value) FROM generate_series(1, 1000000000000)",
    "SELECT value % 7, sum(value) FROM generate_series(1, 1000000000000) GROUP BY 1",
    "SELECT a.value FROM generate_series(1, 50000) a JOIN generate_series(1, 50000) b ON a.value < b.value",
    "SELECT k, count(*) FROM stormed GROUP BY k",
    "SELECT 1",
)
ROWS = pa.table({"k": pa.array(range(20_000), pa.int64()), "v": ["x" * 20] * 20_000})


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds. The directories are the server's own: spilled and unfinished files."""

    threads: int
    handles: int
    temporary_files: int

    @staticmethod
    def by(server: ServerProcess) -> Held:
        process = Path(f"/proc/{server.process.pid}")
        spilled = [path for path in (server.data / "spill").rglob("*") if path.is_file()]
        unfinished = list(server.data.rglob("*.part"))
        return Held(
            len(list((process / "task").iterdir())), len(list((process / "fd").iterdir())), len(spilled + unfinished)
        )


def cpu_seconds(server: ServerProcess) -> float:
    """Used so far, by all threads."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_idle(server: ServerProcess) -> bool:
    """Whether it used less than a tenth of one processor in the last half second."""
    before = cpu_seconds(server)
    time.sleep(0.5)
    return cpu_seconds(server) - before < 0.05


def wait_for(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + HANG_SECONDS
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


class Storm:
    """Clients of one server, each a thread; each call is begun, and given up in one way or other."""

    def __init__(self, server: ServerProcess, seed: int, clients: int = 6) -> None:
        self.server = server
        self.outcomes: Counter[str] = Counter()
        self._clients = clients
        self._seed = seed
        self._surprise: BaseException | None = None
        with flight.connect(server.uri) as client:
            self._token = client.authenticate_basic_token("root", ROOT_PASSWORD)

    def blow(self, calls: int) -> None:
        """So many calls, begun and given up. Raises what surprised a client."""
        threads = [
            threading.Thread(target=self._client, args=(n, calls // self._clients)) for n in range(self._clients)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_SECONDS * 5)
            assert not thread.is_alive(), "a client hangs"
        self._seed += 1
        if self._surprise is not None:
            raise self._surprise

    def _client(self, number: int, calls: int) -> None:
        random = Random(f"{self._seed}-{number}")
        try:
            for _ in range(calls):
                give_up = random.choice(GIVING_UP)
                with flight.connect(self.server.uri) as client:
                    self.outcomes[give_up.__name__] += 1
                    try:
                        give_up(client, self._options(), random)
                    except (pa.ArrowException, OSError) as error:
                        self.outcomes[type(error).__name__] += 1
        except BaseException as error:
            self._surprise = error

    def _options(self, seconds: float = -1) -> Callable[..., flight.FlightCallOptions]:
        return lambda seconds=-1: flight.FlightCallOptions(timeout=seconds, headers=[self._token])


Options = Callable[..., flight.FlightCallOptions]


def _begun(client: flight.FlightClient, options: Options, random: Random) -> flight.FlightInfo:
    return client.get_flight_info(select(random.choice(TEXTS)), options())


def cancelled(client: flight.FlightClient, options: Options, random: Random) -> None:
    reader = client.do_get(_begun(client, options, random).endpoints[0].ticket, options())
    time.sleep(random.choice((0, 0.005, 0.05)))
    reader.cancel()
    with suppress(StopIteration):
        while True:
            reader.read_chunk()


def left(client: flight.FlightClient, options: Options, random: Random) -> None:
    """The connection is closed under it."""
    client.do_get(_begun(client, options, random).endpoints[0].ticket, options())
    time.sleep(random.choice((0, 0.005, 0.05)))


def never_fetched(client: flight.FlightClient, options: Options, random: Random) -> None:
    _begun(client, options, random)


def stopped_by_name(client: flight.FlightClient, options: Options, random: Random) -> None:
    info = _begun(client, options, random)
    reader = client.do_get(info.endpoints[0].ticket, options(5))
    request = pb.CancelFlightInfoRequest(info=pb.FlightInfo.FromString(info.serialize()))
    list(client.do_action(flight.Action("CancelFlightInfo", request.SerializeToString()), options()))
    with suppress(StopIteration):
        while True:
            reader.read_chunk()


def too_late_to_plan(client: flight.FlightClient, options: Options, random: Random) -> None:
    client.get_flight_info(select(random.choice(TEXTS)), options(0.001))


def too_late_to_read(client: flight.FlightClient, options: Options, random: Random) -> None:
    reader = client.do_get(_begun(client, options, random).endpoints[0].ticket, options(0.001))
    with suppress(StopIteration):
        while True:
            reader.read_chunk()


def upload_cut(client: flight.FlightClient, options: Options, random: Random) -> None:
    """Half an upload: the rows must not be there."""
    writer, _ = client.do_put(_ingest(), ROWS.schema, options(random.choice((0.001, 0.02, 0.1))))
    while True:  # until the deadline ends it
        writer.write_table(ROWS)


def change_cut(client: flight.FlightClient, options: Options, random: Random) -> None:
    """A change that nobody waits for: it is done, or it is not."""
    command = pb.CommandStatementUpdate(query=f"UPDATE stormed SET v = '{random.random()}'")
    descriptor = flight.FlightDescriptor.for_command(pack_any("CommandStatementUpdate", command))
    _, reader = client.do_put(descriptor, pa.schema([]), options(0.001))
    reader.read()


def _ingest() -> flight.FlightDescriptor:
    command = pb.CommandStatementIngest(table="stormed")
    command.table_definition_options.if_not_exist = 2
    command.table_definition_options.if_exists = 2
    return flight.FlightDescriptor.for_command(pack_any("CommandStatementIngest", command))


GIVING_UP: tuple[Callable[[flight.FlightClient, Options, Random], None], ...] = (
    *(cancelled, left, never_fetched, stopped_by_name, too_late_to_plan, too_late_to_read, upload_cut, change_cut),
)
