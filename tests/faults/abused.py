"""A server to be abused, and how its answers are looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq

from flight_server.wire import flight_sql_pb2 as pb
from tests.support.flight_client import descriptor
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client, Refused
from tests.wire.log_ins import basic, call_options

SECRET = "the-line-that-only-the-file-holds"
AS_ROOT = call_options(basic("root", ROOT_PASSWORD))
_OF_THE_TEXT = re.compile(r"\[(22|26|3F|42|54|0A)[0-9A-Z]{3}\] ")  # SQLSTATEs that are the client's fault


@contextmanager
def abused_server(directory: Path) -> Iterator[ServerProcess]:
    """It runs in `directory`, where files beside its data hold a secret. Fails if it dies or is surprised."""
    for name in ("secret.csv", "secret.json", "secret.txt"):
        (directory / name).write_text(f'{{"a": "{SECRET}"}}\n')
    pq.write_table(pa.table({"a": [SECRET]}), directory / "secret.parquet")
    with ServerProcess(directory / "data") as process:
        with process.connect() as connection:
            Client(connection).do("CREATE TABLE t (a INT, b VARCHAR, c INT[])")
        yield process
        assert process.process.poll() is None, "the server died"
        assert process.stop() == 0
        assert [event for event in process.events if event["event"] == "internal_error"] == []


def tree(directory: Path) -> set[Path]:
    """Everything below, what the database itself keeps left out."""
    return {path for path in directory.rglob("*") if directory / "data" not in path.parents}


def select(sql: str) -> flight.FlightDescriptor:
    return descriptor(pb.CommandStatementQuery(query=sql))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def check_refused(client: Client, text: str) -> None:
    """Refused by an error that is the text's fault and tells nothing; it may be prepared, if that runs nothing."""
    prepared, ran = answer(client.parameters, text), answer(client.table, text)
    assert ran, f"not refused: {text}"
    for refused in filter(None, (prepared, ran)):
        assert _OF_THE_TEXT.search(refused), f"{text}: {refused}"
        assert len(refused) < 1200
        assert SECRET not in refused
        assert "root:" not in refused


def answer(send: Callable[[str], object], text: str) -> str:
    """What the client is told, nothing if it is not refused."""
    try:
        send(text)
    except (Refused, adbc_driver_manager.Error) as error:
        # The driver manager keeps NOT_IMPLEMENTED to itself when it prepares, and stumbles over what comes next.
        return "" if "must call Prepare" in str(error) else str(error)
    return ""
