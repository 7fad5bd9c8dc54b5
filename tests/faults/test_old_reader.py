"""Who began to read keeps the files of that moment, whatever compaction and sweep do meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.faults.oracle import pad_of
from tests.support.server_process import ServerProcess

CONFIG = """
[storage]
hot_statement_bytes_max = 1000000
[jobs]
sweep_interval_seconds = 0.2
"""
FILES = 4
ROWS = 40_000  # of a file; together more bytes than a stream may be ahead of its reader
WAIT_SECONDS_MAX = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    config = tmp_path / "frostline.toml"
    config.write_text(CONFIG)
    with ServerProcess(tmp_path / "data", "--config", str(config)) as process:
        yield process


@pytest.mark.slow
def test_a_reader_gets_the_rows_of_its_moment_though_they_are_deleted_compacted_and_swept(server: ServerProcess):
    with server.connect() as reading, reading.cursor() as reader, server.connect() as other, other.cursor() as writer:
        load(writer)
        old = cold_files(server)
        assert len(old) == FILES
        reader.execute("SELECT k, pad FROM t")
        batches = reader.fetch_record_batch()
        got = [batches.read_next_batch()]
        writer.execute("DELETE FROM t WHERE k % 2 = 0")
        job(writer, "COMPACT TABLE t")
        swept = sweeps(writer)
        wait_for(lambda: sweeps(writer) >= swept + 2)  # one that began after the compaction has ended
        assert cold_files(server) > old
        got += list(batches)
        found = pa.Table.from_batches(got)
        assert sorted(found.column("k").to_pylist()) == list(range(FILES * ROWS))
        assert pc.all(pc.equal(found.column("pad"), pa.array(map(pad, found.column("k").to_pylist())))).as_py()
        batches.close()
        wait_for(lambda: old.isdisjoint(cold_files(server)))
        writer.execute("SELECT count(*) FROM t")
        assert writer.fetchall() == [(FILES * ROWS // 2,)]


def pad(k: int) -> str:
    return pad_of(k, 0) * 4


def load(cursor: Any) -> None:
    cursor.execute("CREATE TABLE t (k BIGINT, pad VARCHAR) WITH (deleted_retention = '0s')")
    for file in range(FILES):
        keys = range(file * ROWS, (file + 1) * ROWS)
        data = pa.table({"k": pa.array(keys, pa.int64()), "pad": pa.array(map(pad, keys), pa.string())})
        cursor.adbc_ingest("t", data, mode="append")


def job(cursor: Any, sql: str) -> None:
    cursor.execute(sql)
    [(job_id, *_)] = cursor.fetchall()
    cursor.execute(f"WAIT FOR JOB '{job_id}'")
    [(_, _, _, status, *_)] = cursor.fetchall()
    assert status == "completed"


def sweeps(cursor: Any) -> int:
    cursor.execute("SELECT count(*) FROM system.jobs WHERE job_type = 'sweep' AND status = 'completed'")
    [(count,)] = cursor.fetchall()
    return int(count)


def cold_files(server: ServerProcess) -> set[str]:
    return {path.name for path in (server.data / "cold").rglob("*.parquet")}


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS_MAX
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)
