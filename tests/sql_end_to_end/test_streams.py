"""Stream tables: events come in, are read for a while, and leave by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from flight_server.access.sessions.session import Session
from flight_server.sql.interface.request import Request
from storage.errors import FrostlineError, InvalidRequest, LimitExceeded
from storage.settings import StorageSettings
from tests.support.in_process import House, house

TICKS = "CREATE STREAM TABLE ticks (n BIGINT, word VARCHAR) WITH (retention = '10s', max_buffer = 5)"


class Streamer:
    """One session on a server in this process, whose clock the test moves."""

    def __init__(self, rooms: House) -> None:
        self.rooms = rooms
        self.session: Session = rooms.enter()

    def do(self, sql: str) -> pa.Table:
        return self.rooms.do(self.session, sql)

    def changed(self, sql: str) -> int | None:
        return self.rooms.statements.run(Request(self.session, sql)).rows_affected

    def numbers(self, sql: str = "SELECT n FROM ticks") -> list[int]:
        return self.do(sql).column(0).to_pylist()

    def put(self, *numbers: int, into: str = "ticks") -> None:
        self.do(f"INSERT INTO {into} (n) VALUES {', '.join(f'({n})' for n in numbers)}")

    def facts(self, table: str = "ticks") -> dict[str, str]:
        rows = self.do(f"DESCRIBE {table}").to_pylist()
        return {row["column"]: row["default"] for row in rows if row["type"] in ("option", "figure")}

    def pass_seconds(self, seconds: float) -> None:
        self.rooms.clock.advance(seconds)


@pytest.fixture
def streamer(tmp_path: Path) -> Iterator[Streamer]:
    with house(tmp_path, StorageSettings(hot_statement_bytes_max=1 << 16)) as rooms:
        yield Streamer(rooms)


@pytest.fixture
def ticks(streamer: Streamer) -> Streamer:
    streamer.do(TICKS)
    return streamer


# --- time ------------------------------------------------------------------------------------------------------


def test_expired_events_are_hidden_before_eviction_removes_them_and_those_at_exactly_the_cutoff_stay(ticks: Streamer):
    ticks.put(1, 2)
    ticks.pass_seconds(5)
    ticks.put(3)
    ticks.pass_seconds(5)
    assert ticks.numbers() == [1, 2, 3]
    ticks.pass_seconds(0.001)
    assert ticks.numbers() == [3]
    assert ticks.rooms.engine.state.stream_bytes > 0
    [partition] = ticks.rooms.engine.state.partitions.values()
    assert partition.rows == 3, "nothing evicted them yet"


def test_counts_plans_and_prepared_statements_never_show_an_expired_event(ticks: Streamer):
    ticks.do("CREATE VIEW seen AS SELECT n FROM ticks")
    ticks.put(1, 2)
    ticks.pass_seconds(1)
    ticks.put(3)
    reads = ("SELECT count(*) FROM ticks", "SELECT count(*) FROM seen", "SELECT max(n) - min(n) + 1 FROM ticks")
    for seconds, expected in ((0, 3), (8.5, 3), (0.6, 1), (0.3, 1), (0.601, None)):
        ticks.pass_seconds(seconds)
        for sql in reads:
            for _ in range(2):  # the second time from the kept plan
                assert ticks.numbers(sql)[0] in (expected, expected or 0), (seconds, sql)


def test_the_clock_going_back_shows_no_event_that_was_evicted(ticks: Streamer):
    ticks.put(1)
    ticks.rooms.clock.set_wall_ms(ticks.rooms.clock.wall_ms() - 60_000)
    ticks.put(2)
    assert ticks.numbers() == [1, 2]
    ticks.pass_seconds(75)
    assert ticks.numbers() == []


# --- room ------------------------------------------------------------------------------------------------------


def test_max_buffer_is_exact_at_every_commit(ticks: Streamer):
    for n in range(1, 40):
        ticks.put(n)
        assert ticks.numbers() == list(range(max(1, n - 4), n + 1))
    ticks.put(*range(100, 150))
    assert ticks.numbers() == [145, 146, 147, 148, 149]
    assert ticks.facts()["events_evicted"] == str(39 + 50 - 5)


def test_a_fifo_stream_keeps_old_events_until_it_needs_their_room(streamer: Streamer):
    streamer.do("CREATE STREAM TABLE ticks (n INT) WITH (retention = '10s', max_buffer = 4, eviction = 'fifo')")
    streamer.put(1, 2)
    streamer.pass_seconds(3600)
    streamer.put(3, 4)
    assert streamer.numbers() == [1, 2, 3, 4]
    streamer.put(5)
    assert streamer.numbers() == [3, 4, 5], "all that is past the retention leaves"
    streamer.put(6, 7, 8)
    assert streamer.numbers() == [5, 6, 7, 8], "then the oldest"


def test_eviction_by_priority_takes_the_lowest_and_of_equal_ones_the_oldest(streamer: Streamer):
    streamer.do(
        "CREATE STREAM TABLE ticks (n INT, p DOUBLE) WITH (retention = '10s', max_buffer = 3, eviction = 'priority(p)')"
    )
    for n, priority in enumerate(("5", "1", "9", "1", "'NaN'", "NULL", "7", "7"), start=1):
        streamer.do(f"INSERT INTO ticks VALUES ({n}, {priority})")
    assert streamer.numbers() == [3, 5, 8]
    streamer.pass_seconds(10.001)
    streamer.do("INSERT INTO ticks VALUES (9, 0)")
    assert streamer.numbers() == [9], "what is past the retention leaves first, whatever its priority"


def test_setting_options_acts_at_once_and_brings_nothing_back(ticks: Streamer):
    ticks.put(1, 2)
    ticks.pass_seconds(11)
    ticks.put(3, 4, 5)
    ticks.do("ALTER TABLE ticks SET (retention = '1h')")
    assert ticks.numbers() == [3, 4, 5]
    ticks.do("ALTER TABLE ticks SET (max_buffer = 2)")
    assert ticks.numbers() == [4, 5]
    assert ticks.facts()["events_evicted"] == "3"


# --- what a stream is ------------------------------------------------------------------------------------------


def test_a_stream_has_no_deleted_column_and_keeps_seq_and_updated(ticks: Streamer):
    ticks.put(1, 2)
    assert ticks.do("SELECT * FROM ticks").column_names == ["n", "word"]
    assert ticks.do("SELECT * FROM ticks WHERE _seq > 0").column_names == ["n", "word", "_seq", "_updated"]
    [first, second] = ticks.numbers("SELECT _seq FROM ticks")
    assert second == first + 1
    assert ticks.numbers(f"SELECT n FROM ticks WHERE _seq > {first}") == [2]
    with pytest.raises(InvalidRequest) as refused:
        ticks.do("SELECT n, _deleted FROM ticks")
    assert refused.value.sqlstate == "42703"


def test_all_options_are_read_back(streamer: Streamer):
    streamer.do(
        "CREATE STREAM TABLE IF NOT EXISTS ticks (n INT, \"P\" DOUBLE) WITH (retention = '2m', max_buffer = 7, "
        "ephemeral = true, eviction = 'priority(\"P\")', eviction_interval = '5s', access_level = 'private')"
    )
    expected = {
        "retention": "120s",
        "max_buffer": "7",
        "ephemeral": "true",
        "eviction": 'priority("P")',
        "eviction_interval": "5s",
        "access_level": "private",
    }
    assert expected.items() <= streamer.facts().items()
    [options] = streamer.do("SELECT options FROM system.tables").column(0).to_pylist()
    assert dict(options) == expected
    [sql] = streamer.do("SHOW CREATE TABLE ticks").column("create_statement").to_pylist()
    streamer.do("DROP STREAM TABLE ticks")
    streamer.do(sql)
    assert expected.items() <= streamer.facts().items()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE ticks SET n = 1", "UPDATE is not supported for stream tables"),
        ("DELETE FROM ticks", "DELETE is not supported for stream tables"),
        ("TRUNCATE ticks", "TRUNCATE is not supported for stream tables"),
        ("MERGE INTO ticks USING ticks AS s ON ticks.n = s.n WHEN MATCHED THEN DELETE", "MERGE is not supported"),
        ("INSERT INTO ticks (n) VALUES (1) ON CONFLICT (n) DO UPDATE SET n = 2", "ON CONFLICT is not supported"),
        ("INSERT INTO ticks (n) VALUES (1) ON CONFLICT DO NOTHING", "ON CONFLICT is not supported"),
        ("ALTER TABLE ticks ADD COLUMN a INT", "ALTER of columns is not supported for stream tables"),
        ("ALTER TABLE ticks DROP COLUMN n", "ALTER of columns is not supported for stream tables"),
        ("ALTER TABLE ticks ALTER COLUMN n SET NOT NULL", "ALTER of columns is not supported for stream tables"),
        ("SELECT * FROM ticks FOR SYSTEM_TIME AS OF TIMESTAMP '2026-01-01'", "keeps no earlier versions"),
        ("CREATE STREAM TABLE t (a INT PRIMARY KEY) WITH (retention = '1s')", "a primary key is not supported"),
        ("CREATE TEMP STREAM TABLE t (a INT) WITH (retention = '1s')", "STREAM"),
    ],
)
def test_what_changes_events_or_columns_is_refused(ticks: Streamer, sql: str, words: str):
    with pytest.raises(FrostlineError, match=words) as refused:
        ticks.do(sql)
    assert refused.value.sqlstate in ("0A000", "42601")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("max_buffer = 5", "needs a retention"),
        ("retention = '0s'", "must be 1 or more"),
        ("retention = '1s', max_buffer = 0", "must be 1 or more"),
        ("retention = 'soon'", "bad retention 'soon'"),
        ("retention = '1s', ephemeral = maybe", "bad ephemeral 'maybe': use one of true, on"),
        ("retention = '1s', eviction = 'lifo'", "use one of ttl, fifo, priority"),
        ("retention = '1s', eviction = 'priority(c)'", "names column 'c', which the table does not have"),
        ("retention = '1s', eviction = 'priority(b)'", "'b' of table 'public.t' is VARCHAR"),
        ("retention = '1s', flush_policy = 'rows:1'", "'flush_policy' is for shared and user tables: a stream table"),
        ("retention = '1s', colour = 'red'", "unknown table option 'colour': a stream table takes access_level"),
    ],
)
def test_a_wrong_option_is_an_error_that_says_what_is_allowed(streamer: Streamer, options: str, words: str):
    with pytest.raises(InvalidRequest, match=words.replace("(", r"\(")):
        streamer.do(f"CREATE STREAM TABLE t (a INT, b VARCHAR) WITH ({options})")
    with pytest.raises(InvalidRequest, match="'retention' is for stream tables: a shared table takes access_level"):
        streamer.do("CREATE TABLE t (a INT) WITH (retention = '1s')")


# --- ephemeral -------------------------------------------------------------------------------------------------


def test_an_event_of_an_ephemeral_stream_that_nobody_listens_to_is_not_stored(streamer: Streamer):
    streamer.do("CREATE STREAM TABLE ticks (n INT) WITH (retention = '10s', ephemeral = true)")
    assert streamer.changed("INSERT INTO ticks VALUES (1), (2), (3)") == 0
    assert streamer.numbers("INSERT INTO ticks VALUES (4) RETURNING n") == []
    assert streamer.numbers() == []
    assert streamer.facts()["events_discarded"] == "4"
    with streamer.rooms.engine.snapshot() as snapshot:
        assert not snapshot.state.stream_bytes


# --- doors -----------------------------------------------------------------------------------------------------


def test_no_event_ever_reaches_parquet_and_a_statement_that_is_too_large_is_refused(ticks: Streamer):
    with pytest.raises(LimitExceeded, match="hot_statement_bytes_max"):
        ticks.do("INSERT INTO ticks SELECT value, repeat('x', 100) FROM generate_series(1, 5000)")
    assert ticks.numbers() == []
    ticks.do("INSERT INTO ticks SELECT value, 'x' FROM generate_series(1, 50)")
    assert ticks.numbers() == [46, 47, 48, 49, 50]
    assert not list(ticks.rooms.engine.files.root.rglob("*.parquet"))


def test_events_of_a_transaction_arrive_at_commit_and_those_of_a_rollback_never(ticks: Streamer):
    other = Streamer(ticks.rooms)
    other.session = ticks.rooms.enter("other")
    ticks.do("BEGIN")
    ticks.put(1)
    assert ticks.numbers() == [1]
    assert other.numbers() == []
    ticks.pass_seconds(60)
    ticks.do("COMMIT")
    assert other.numbers() == [1], "its time began at COMMIT"
    ticks.do("BEGIN")
    ticks.put(2)
    ticks.do("ROLLBACK")
    assert other.numbers() == [1]


def test_a_stream_made_from_a_query_and_one_that_replaces_another(ticks: Streamer):
    ticks.put(1, 2)
    ticks.do("CREATE STREAM TABLE copies WITH (retention = '1m') AS SELECT n FROM ticks WHERE n > 1")
    assert ticks.numbers("SELECT n FROM copies") == [2]
    ticks.do("CREATE OR REPLACE STREAM TABLE ticks (n BIGINT) WITH (retention = '5s')")
    assert ticks.numbers() == []


def test_streams_join_with_shared_and_user_tables(ticks: Streamer):
    ticks.do("CREATE USER TABLE mine (n BIGINT); INSERT INTO mine VALUES (2), (9)")
    ticks.do("CREATE TABLE words (n BIGINT PRIMARY KEY, long VARCHAR); INSERT INTO words VALUES (1, 'one'), (2, 'two')")
    ticks.put(2, 2, 3)
    assert ticks.numbers("SELECT long FROM ticks JOIN words USING (n)") == ["two", "two"]
    assert ticks.numbers("SELECT long FROM ticks JOIN words USING (n) JOIN mine USING (n)") == ["two", "two"]
