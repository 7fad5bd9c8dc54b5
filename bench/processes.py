"""The processes under measurement: our server, the bare Flight server, ROAPI. On free ports, ended at the end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from adbc_driver_flightsql import dbapi

from bench.figures import Usage
from bench.process_figures import cpu_seconds, usage_of

PASSWORD: Final = "measured"
READY_SECONDS_MAX: Final = 60
STOP_SECONDS_MAX: Final = 60
REPOSITORY: Final = Path(__file__).parent.parent
# Background work is asked for by the cases, never met by chance.
_CONF: Final = "[jobs]\ncompact_check_seconds = 86400.0\nsweep_interval_seconds = 86400.0\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A running Frostline."""

    uri: str
    pid: int
    data: Path
    ready_seconds: float

    @property
    def backups(self) -> Path:
        """A folder that backups may be in; it goes with the data."""
        return self.data.parent / "backups"

    def connect(self) -> Any:
        """An ADBC connection that commits each statement."""
        return dbapi.connect(self.uri, db_kwargs={"username": "root", "password": PASSWORD}, autocommit=True)

    def run(self, *statements: str) -> list[list[dict[str, Any]]]:
        """Run them one after the other; the rows of each, none for those that have none."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            return [self._rows(cursor, sql) for sql in statements]

    def flush(self, what: str) -> None:
        """`what`: `ALL` or `TABLE name`. Waits until the rows are in Parquet."""
        [jobs] = self.run(f"FLUSH {what}")
        for job in jobs:
            [[done]] = self.run(f"WAIT FOR JOB '{next(iter(job.values()))}'")
            assert "completed" in done.values(), done

    def cold_files(self, namespace: str, table: str) -> list[Path]:
        return sorted((self.data / "cold" / namespace / table).glob("*.parquet"))

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def usage(self, cpu_seconds_before: float) -> Usage:
        return usage_of(self.pid, self.data, cpu_seconds_before)

    @staticmethod
    def _rows(cursor: Any, sql: str) -> list[dict[str, Any]]:
        cursor.execute(sql)
        return cursor.fetch_arrow_table().to_pylist() if cursor.description else []


@contextmanager
def frostline(directory: Path, result_cache_bytes_max: int = 0) -> Iterator[Server]:
    """A server with an empty data directory below `directory`, which is removed with it. As a rule it keeps no results:
    what it does is measured, not what it did."""
    shutil.rmtree(directory, ignore_errors=True)
    try:
        with started(directory, result_cache_bytes_max) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def started(directory: Path, result_cache_bytes_max: int = 0) -> Iterator[Server]:
    """A server with the data directory below `directory` as it is, which stays."""
    directory.mkdir(parents=True, exist_ok=True)
    conf = directory / "bench.toml"
    results = f"[query]\nresult_cache_bytes_max = {result_cache_bytes_max}\n"
    conf.write_text(f'{_CONF}{results}[storage]\nbackup_directories = ["{directory.resolve()}"]\n')
    command = [sys.executable, "-m", "flight_server", "serve", "--config", str(conf), "--data", str(directory / "data")]
    environment = {"FROSTLINE_ROOT_PASSWORD": PASSWORD}
    start = time.perf_counter()
    with _child([*command, "--port", "0", "--http-port", "0"], directory / "log", environment) as process:
        uri = _ready(process, directory / "log")
        yield Server(uri, process.pid, directory / "data", time.perf_counter() - start)


@contextmanager
def bare_flight(directory: Path) -> Iterator[str]:
    """The address of `bench.bare_flight`, in a process of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "bare.log"
    with _child([sys.executable, "-m", "bench.bare_flight"], log, {}) as process:
        yield _ready(process, log)


@contextmanager
def late_s3(directory: Path, delay_seconds: float) -> Iterator[str]:
    """The address of `bench.s3_server`, in a process of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "s3.log"
    with _child([sys.executable, "-m", "bench.s3_server", str(delay_seconds)], log, {}) as process:
        yield _ready(process, log)


@contextmanager
def roapi(program: Path, tables: dict[str, str], directory: Path, *, in_memory: bool) -> Iterator[str]:
    """ROAPI over Parquet files; yields its Flight SQL address.

    tables:    name -> file or folder
    in_memory: it reads them once, as it does by itself, and never again; otherwise it reads files as we do
    """
    http, postgres, flight_sql = (f"127.0.0.1:{port}" for port in _free_ports(3))
    options = f"format=parquet,use_memory_table={str(in_memory).lower()}"
    given = [part for name, place in tables.items() for part in ("--table", f"{name}={place},{options}")]
    command = [str(program), "--addr-http", http, "--addr-postgres", postgres, "--addr-flight-sql", flight_sql, *given]
    log = directory / "roapi.log"
    with _child(command, log, {"RUST_LOG": "error"}) as process:
        _wait_for_port(flight_sql, process, log)
        yield f"grpc://{flight_sql}"


@contextmanager
def _child(command: Sequence[str], log: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path, **environment},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def _ready(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready: "):
            return line.removeprefix("ready: ").strip()
    raise RuntimeError(f"a server did not start: {log.read_text(encoding='utf-8')[-500:]}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _wait_for_port(address: str, process: subprocess.Popen[str], log: Path) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{address} did not open: {log.read_text(encoding='utf-8')[-500:]}")
