"""Retention on a real server: what is past it is in no answer and in no file, and nothing else is missed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

WAIT_SECONDS = 20.0
CONFIG = "[jobs]\nretention_check_seconds = 0.1\n"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that looks for expired versions all the time."""
    folder = tmp_path_factory.mktemp("retention")
    (folder / "frostline.toml").write_text(CONFIG)
    with ServerProcess(folder / "data", "--config", str(folder / "frostline.toml")) as server:
        yield server


@pytest.fixture
def t(quick: ServerProcess, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A table with rows 1-4 cold and 5-8 hot; what they hold is in no other test."""
    secret = f"SECRET of {request.node.originalname}"
    with quick.connect() as connection:
        client = Client(connection, "public")
        client.do("CREATE OR REPLACE TABLE t (id INT PRIMARY KEY, v VARCHAR) WITH (compression = 'none')")
        client.do(f"INSERT INTO t SELECT value, '{secret}' FROM generate_series(1, 4)")
        client.flush("t")
        client.do(f"INSERT INTO t SELECT value, '{secret}' FROM generate_series(5, 8)")
        yield client


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def deleted(client: Client) -> int:
    return int(client.value("SELECT deleted_versions FROM system.partitions WHERE \"table\" = 't'"))


def files_with(data: Path, secret: bytes) -> list[str]:
    """Files with the bytes in them; one that goes meanwhile has none."""
    found = []
    for path in data.rglob("*"):
        try:
            if path.is_file() and secret in path.read_bytes():
                found.append(path.name)
        except FileNotFoundError:
            continue
    return found


def test_updated_and_deleted_versions_are_purged_hot_and_cold(t: Client, quick: ServerProcess) -> None:
    before = t.value("SELECT max(_seq) FROM t")
    t.do("UPDATE t SET v = 'open' WHERE id % 4 <> 0; DELETE FROM t WHERE id % 4 = 0")
    assert t.value("SELECT count(*) FROM t WHERE _deleted") == 8
    assert len(t.rows(f"SELECT id FROM t AS OF VERSION {before}")) == 8
    t.do("ALTER TABLE t SET (deleted_retention = '0')")
    until(lambda: deleted(t) == 0)
    assert t.rows("SELECT id, v FROM t ORDER BY id") == [(n, "open") for n in (1, 2, 3, 5, 6, 7)]
    assert t.value("SELECT count(*) FROM t WHERE _deleted") == 0
    finished = (
        "SELECT rows, files, reason, oldest <= newest AS b FROM system.jobs "
        "WHERE job_type = 'retention' AND status = 'completed' AND target = 'public.t'"
    )
    until(lambda: (8, 1, "retention", True) in t.rows(finished))
    # The old file, the row store's tables and its log, and the copy of the manifest: each in its own time.
    until(lambda: files_with(quick.data, b"SECRET of test_updated_and") == [])
    rows = [row for path in quick.data.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert rows == []  # all that was cold was replaced or deleted


def test_a_moment_that_was_purged_is_refused_for_ever(t: Client) -> None:
    before = t.value("SELECT max(_seq) FROM t")
    t.do("DELETE FROM t WHERE id = 1")
    t.do("ALTER TABLE t SET (deleted_retention = '0')")
    until(lambda: deleted(t) == 0)
    t.do("ALTER TABLE t SET (deleted_retention = 'off')")
    refused = t.refusal(f"SELECT * FROM t AS OF VERSION {before}")
    assert (refused.sqlstate, "were purged" in refused.message) == ("22023", True)
    later = t.value("SELECT purged_up_to FROM system.partitions WHERE \"table\" = 't'")
    assert len(t.rows(f"SELECT id FROM t FOR SYSTEM_TIME AS OF TIMESTAMP '{later.isoformat()}'")) == 7


def test_what_an_open_transaction_may_meet_stays_until_it_ends(t: Client, quick: ServerProcess) -> None:
    t.do("ALTER TABLE t SET (deleted_retention = '0')")
    with quick.connect() as connection:
        other = Client(connection)
        other.do("BEGIN")
        assert other.value("SELECT count(*) FROM t") == 8
        t.do("DELETE FROM t WHERE id IN (1, 8)")
        time.sleep(0.3)  # nothing is shown by waiting longer: the purge may come at any time, and must not
        assert deleted(t) == 2
        assert other.rows("SELECT id FROM t WHERE id IN (1, 8) ORDER BY id") == [(1,), (8,)]
        assert other.sqlstate("DELETE FROM t WHERE id = 1") == "40001"
        other.do("ROLLBACK")
    until(lambda: deleted(t) == 0)


@pytest.mark.parametrize(
    ("clause", "rows"),
    [
        ("FOR SYSTEM_TIME AS OF TIMESTAMP '2999-01-01'", 8),
        ("FOR SYSTEM_TIME AS OF TIMESTAMP '2001-01-01'", None),
        ("AS OF VERSION 9223372036854775807", 8),
        ("AS OF VERSION 0", None),
    ],
)
def test_moments_to_come_show_now_and_those_before_the_table_are_refused(
    t: Client, clause: str, rows: int | None
) -> None:
    if rows is None:
        assert "before the table was created" in t.refusal(f"SELECT * FROM t {clause}").message
    else:
        assert len(t.rows(f"SELECT * FROM t {clause}")) == rows
