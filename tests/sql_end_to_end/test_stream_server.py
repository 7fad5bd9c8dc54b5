"""Stream tables on a running server: every door of a client, jobs, rights, restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from tests.sql_end_to_end.people import People
from tests.support.listener import listen
from tests.support.people import ROLES
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

WAIT_SECONDS_MAX = 20.0


def becomes(found: Callable[[], object], expected: object) -> bool:
    """Whether it does, within a time that is long enough for a busy machine."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while found() != expected:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_stream_takes_events_through_every_door_of_a_client(client: Client):
    client.do("CREATE STREAM TABLE ticks (n BIGINT, word VARCHAR DEFAULT 'none') WITH (retention = '1h')")
    assert client.do("INSERT INTO ticks VALUES (1, 'a'), (2, 'b')") == 2
    assert client.do_many("INSERT INTO ticks (n) VALUES (?)", [(3,), (4,)]) == 2
    assert client.ingest("ticks", pa.table({"n": [5, 6]}), mode="append") == 2
    assert client.do("INSERT INTO ticks SELECT n + 10, word FROM ticks WHERE n <= ?", (1,)) == 1
    assert client.rows("INSERT INTO ticks (n) VALUES (7) RETURNING n, word") == [(7, "none")]
    assert client.value("SELECT count(*) FROM ticks") == 8
    assert client.value("SELECT kind FROM system.tables WHERE table = 'ticks'") == "stream"
    assert client.value("SELECT rows FROM system.tables WHERE table = 'ticks' AND kind = 'stream'") == 8


def test_flush_and_compact_of_a_stream_are_refused_with_the_reason_and_flush_all_leaves_it_alone(client: Client):
    client.do("CREATE STREAM TABLE ticks (n BIGINT) WITH (retention = '1h')")
    client.do("INSERT INTO ticks VALUES (1)")
    for sql in ("FLUSH TABLE ticks", "COMPACT TABLE ticks", "SCRUB TABLE ticks"):
        refused = client.refusal(sql)
        assert refused.sqlstate == "0A000"
        assert "live hot only and expire" in refused.message
    assert client.rows(f"FLUSH ALL IN {client.namespace}") == []
    assert client.value("SELECT count(*) FROM ticks") == 1


def test_evict_table_gives_the_id_of_a_job_that_tells_what_left(client: Client):
    client.do("CREATE STREAM TABLE ticks (n BIGINT) WITH (retention = '1s', eviction_interval = '1h')")
    client.do("INSERT INTO ticks VALUES (1), (2), (3)")
    assert becomes(lambda: client.value("SELECT count(*) FROM ticks"), 0)
    hot_rows = f"SELECT hot_rows FROM system.tables WHERE table = 'ticks' AND namespace = '{client.namespace}'"
    assert client.value(hot_rows) == 3, "hidden, and not yet evicted"
    [[job_id, job_type, *_]] = client.rows("EVICT TABLE ticks")
    assert (job_id[:3], job_type) == ("SE-", "stream_eviction")
    [ended] = client.rows(f"WAIT FOR JOB '{job_id}'")
    assert ended[3:] == ("completed", "3 events past the retention", 3)
    figures = "rows, bytes > 0, reason, oldest = newest, attempts, trigger"
    assert client.rows(f"SELECT {figures} FROM system.jobs WHERE job_id = '{job_id}'") == [
        (3, True, "ttl", True, 0, "user")
    ]
    assert client.value(hot_rows) == 0
    client.do("CREATE TABLE kept (n BIGINT)")
    assert "EVICT is for stream tables" in client.refusal("EVICT TABLE kept").message


def test_the_schedule_evicts_each_stream_at_its_own_pace(client: Client):
    client.do("CREATE STREAM TABLE quick (n BIGINT) WITH (retention = '1s', eviction_interval = '1s')")
    client.do("CREATE STREAM TABLE slow (n BIGINT) WITH (retention = '1s', eviction_interval = '1h')")
    client.do("INSERT INTO quick VALUES (1), (2); INSERT INTO slow VALUES (1)")

    def left(table: str) -> object:
        rows = client.rows(f"DESCRIBE {table}")
        return next(row[3] for row in rows if row[:2] == ("events_evicted", "figure"))

    assert becomes(lambda: left("quick"), "2")
    assert left("slow") == "0"
    of_mine = f"job_type = 'stream_eviction' AND target LIKE '{client.namespace}.%'"
    jobs = f"SELECT target, sum(rows), min(trigger) FROM system.jobs WHERE {of_mine} GROUP BY target"
    assert becomes(lambda: client.rows(jobs), [(f"{client.namespace}.quick", 2, "schedule")])


def test_a_stream_is_a_table_to_tools(client: Client):
    client.do("CREATE STREAM TABLE ticks (n BIGINT) WITH (retention = '1h')")
    [catalog] = client.connection.adbc_get_objects(db_schema_filter=client.namespace).read_all().to_pylist()
    [schema] = catalog["catalog_db_schemas"]
    [table] = schema["db_schema_tables"]
    assert (table["table_name"], table["table_type"]) == ("ticks", "TABLE")
    assert [column["column_name"] for column in table["table_columns"]] == ["n"]
    assert client.connection.adbc_get_table_schema("ticks", db_schema_filter=client.namespace) == pa.schema(
        [pa.field("n", pa.int64())]
    )


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[People]:
    with People(server) as made:
        yield made


@pytest.mark.parametrize(
    ("level", "may"),
    [
        ("", {"user": "SI", "service": "SIE", "dba": "SIED", "system": "SIED"}),
        ("private", {"user": "", "service": "SIE", "dba": "SIED", "system": "SIED"}),
        ("restricted", {"user": "", "service": "", "dba": "SIED", "system": "SIED"}),
    ],
)
def test_every_role_may_with_a_stream_what_its_access_level_says(people: People, level: str, may: dict[str, str]):
    option = f", access_level = '{level}'" if level else ""
    for role in ROLES:
        name = f"{people.namespace}.{role}_{level or 'open'}"
        people.root.do(f"CREATE STREAM TABLE {name} (n BIGINT) WITH (retention = '1h'{option})")
        client = people.connect(role)
        statements = {
            "S": f"SELECT count(*) FROM {name}",
            "I": f"INSERT INTO {name} VALUES (1)",
            "E": f"EVICT TABLE {name}",
            "D": f"DROP STREAM TABLE {name}",
        }
        for letter, sql in statements.items():
            if letter in may[role]:
                client.table(sql)
            else:
                assert client.sqlstate(sql) in ("42501", "42P01"), (role, level, sql)


def test_only_a_dba_makes_streams(people: People):
    sql = f"CREATE STREAM TABLE {people.namespace}.mine (n BIGINT) WITH (retention = '1h')"
    for role in ("user", "service"):
        assert people.connect(role).sqlstate(sql) == "42501"
    people.connect("dba").do(sql)


def test_a_restart_and_a_kill_keep_the_events_that_were_there_and_no_others(tmp_path: Path):
    numbers = "SELECT n FROM ticks ORDER BY _seq"
    with ServerProcess(tmp_path / "data") as process, process.connect() as connection:
        client = Client(connection)
        client.do("CREATE STREAM TABLE ticks (n BIGINT) WITH (retention = '1h', max_buffer = 5)")
        for n in range(1, 10):
            client.do(f"INSERT INTO ticks VALUES ({n}), ({n + 100})")
        before = client.rows(numbers)
        assert before == [(107,), (8,), (108,), (9,), (109,)]
        process.process.kill()
    with ServerProcess(tmp_path / "data") as process, process.connect() as connection:
        client = Client(connection)
        assert client.rows(numbers) == before
        client.do("INSERT INTO ticks VALUES (1000)")
        assert client.rows(numbers) == [*before[1:], (1000,)]
        client.do("ALTER TABLE ticks SET (retention = '1s')")
        assert becomes(lambda: client.rows(numbers), [])


# --- subscribers -----------------------------------------------------------------------------------------------


def test_an_event_of_an_ephemeral_stream_is_stored_while_somebody_listens_and_the_count_says_so(
    server: ServerProcess, client: Client
):
    client.do("CREATE STREAM TABLE calls (n BIGINT) WITH (retention = '1h', ephemeral = true)")
    assert client.do("INSERT INTO calls VALUES (1), (2)") == 0
    with listen(server, f"SUBSCRIBE TO SELECT n FROM {client.namespace}.calls") as live:
        assert client.do("INSERT INTO calls VALUES (3), (4)") == 2
        assert client.rows("INSERT INTO calls VALUES (5) RETURNING n") == [(5,)]
        live.until_told(3)
        assert live.told("n") == [("insert", 3), ("insert", 4), ("insert", 5)]
    assert becomes(lambda: client.do("INSERT INTO calls VALUES (6)"), 0)
    numbers = [row[0] for row in client.rows("SELECT n FROM calls ORDER BY _seq")]
    assert numbers[:3] == [3, 4, 5]
    assert set(numbers[3:]) <= {6}, "those that came before the end of the subscriber was noticed"


def test_a_subscriber_hears_every_event_even_those_that_leave_in_the_commit_that_brings_them(
    server: ServerProcess, client: Client
):
    client.do("CREATE STREAM TABLE ticks (n BIGINT) WITH (retention = '1h', max_buffer = 3)")
    client.do("INSERT INTO ticks VALUES (1), (2), (3), (4)")
    with listen(server, f"SUBSCRIBE TO SELECT n FROM {client.namespace}.ticks") as live:
        client.do("INSERT INTO ticks SELECT value FROM generate_series(5, 30)")
        client.do("INSERT INTO ticks VALUES (31)")
        live.until_told(3 + 27)
        assert [n for _, n in live.told("n")] == list(range(2, 32))
        assert {change for change, _ in live.told("n")} == {"insert"}, "an event that leaves is not told"
    assert client.rows("SELECT n FROM ticks ORDER BY n") == [(29,), (30,), (31,)]
