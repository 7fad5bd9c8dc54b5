"""A reader of a live query on a connection of its own: keeps what comes, in the order in which it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error

from tests.clients.messages import RawClient
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

SECONDS_MAX = 20.0
SETTINGS = "[live]\nprogress_seconds = 0.2\nqueue_bytes_max = 1000000\n"
Row = dict[str, Any]


class ByDriver:
    """A live query over ADBC, on a connection for it alone."""

    def __init__(self, connection: Any, sql: str, params: Sequence[Any] | None = None) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        try:
            self._cursor.execute(sql, params)
            self._reader = self._cursor.fetch_record_batch()
        except Error as error:
            raise Refused(str(error)) from None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self._reader)

    def cancel(self) -> None:
        self._cursor.adbc_cancel()

    def close(self) -> None:
        self._reader.close()
        self._cursor.close()
        self._connection.close()


class ByHand:
    """A live query over Flight alone: nothing asks the server to close it, so the server may be gone by then."""

    def __init__(self, client: RawClient, sql: str) -> None:
        self._client = client
        self._reader = client.stream(client.query(sql))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return (chunk.data for chunk in self._reader)

    def cancel(self) -> None:
        self._reader.cancel()

    def close(self) -> None:
        self._client.flight.close()


class Listener:
    """Entered, it listens: its first progress row has come."""

    def __init__(self, source: ByDriver | ByHand) -> None:
        self.all: list[Row] = []
        self.batches: list[int] = []
        self.refused: Refused | None = None
        self._source = source
        self._is_closed = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        self.until(lambda: bool(self.progress) or self.refused is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Go away, in the middle of it."""
        if self._is_closed:
            return
        self._is_closed = True
        self._source.cancel()
        if self._thread.is_alive():
            self._thread.join(SECONDS_MAX)
        self._source.close()

    @property
    def rows(self) -> list[Row]:
        """What changed, without the progress rows."""
        return [row for row in list(self.all) if row["_change"] != "progress"]

    @property
    def progress(self) -> list[int]:
        """The `_seq`s of the progress rows."""
        return [row["_seq"] for row in list(self.all) if row["_change"] == "progress"]

    def told(self, *columns: str) -> list[tuple[Any, ...]]:
        """(_change, columns..) of each change."""
        return [(row["_change"], *(row[column] for column in columns)) for row in self.rows]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for it; generous, since nothing here measures time."""
        deadline = time.monotonic() + SECONDS_MAX
        while not is_so():
            assert time.monotonic() < deadline, f"it did not come: {self.all[-5:]}, {self.refused}"
            time.sleep(0.01)

    def until_told(self, count: int) -> None:
        self.until(lambda: len(self.rows) >= count or self.refused is not None)

    def until_refused(self) -> Refused:
        self.until(lambda: self.refused is not None)
        assert self.refused is not None
        return self.refused

    def until_seq(self, seq: int) -> None:
        """Until everything up to it was told."""
        self.until(lambda: any(done >= seq for done in self.progress) or self.refused is not None)

    def _read(self) -> None:
        try:
            for batch in self._source:
                self.batches.append(batch.num_rows)
                self.all += batch.to_pylist()
        except (Error, OSError, pa.ArrowException) as error:
            self.refused = Refused(str(error))


def listen(server: ServerProcess, sql: str, params: Sequence[Any] | None = None, **login: str) -> Listener:
    return Listener(ByDriver(server.connect(**login), sql, params))


def listen_by_hand(server: ServerProcess, sql: str, **login: Any) -> Listener:
    return Listener(ByHand(RawClient(server.uri, **login), sql))


def replayed(rows: Sequence[Row], key: str) -> dict[Any, Row]:
    """What a table holds after these changes: the oracle. Fails where a change does not fit what came before."""
    held: dict[Any, Row] = {}
    for row in rows:
        match row["_change"]:
            case "insert":
                assert row[key] not in held, f"inserted twice: {row}"
                held[row[key]] = row
            case "update":
                assert held.pop(row["_old_key"], None) is not None, f"updated but never there: {row}"
                held[row[key]] = row
            case "delete":
                assert held.pop(row["_old_key"], None) is not None, f"deleted but never there: {row}"
    return held


@contextmanager
def listened_to(folder: Path) -> Iterator[ServerProcess]:
    """A server with progress rows that come soon, and queues that are full soon."""
    (folder / "settings.toml").write_text(SETTINGS)
    with ServerProcess(folder / "data", "--config", str(folder / "settings.toml")) as process:
        yield process


def make_items(client: Client) -> str:
    """A table with three rows, by its full name."""
    client.do("CREATE TABLE items (id BIGINT PRIMARY KEY, name VARCHAR, price INT)")
    client.do("INSERT INTO items VALUES (1, 'one', 10), (2, 'two', 20), (3, 'three', 30)")
    return f"{client.namespace}.items"
