"""A server whose clock says 2039, 2040, 2100 or more, and then the truth: nothing is lost, doubled or removed early."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from storage.clock import ManualClock
from storage.errors import ClockRefused
from storage.seq import COMMIT_MS_END, FIRST_PROVISIONAL, ms_of
from storage.settings import StorageSettings
from tests.faults.clock_scenes import Scene
from tests.support.in_process import house

DAY_SECONDS = 86_400.0


def moment(text: str) -> int:
    """ms since 1970"""
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1000)


TRUTH = moment("2026-11-29T12:00:00")
EDGE = moment("2039-09-07T15:47:30")  # 2^61 lies 5.55 s later
CLOCKS = {
    "the edge of 2^61": EDGE,
    "2040": moment("2040-01-01T00:00:00"),
    "2100": moment("2100-06-01T00:00:00"),
    "the edge of 2^62": moment("2109-05-15T07:35:00"),
    "the last year": moment("2199-12-31T00:00:00"),
    "1970": 1,
    "1996": moment("1996-01-01T00:00:00"),
}
BEYOND = {
    "2200": COMMIT_MS_END,
    "2201": moment("2201-01-01T00:00:00"),
    "the edge of 2^63": 1 << 43,
    "9999": moment("9999-12-31T23:59:59"),
    "further than years go": 1 << 62,
}
HOT, BULK = StorageSettings(), StorageSettings(hot_statement_bytes_max=1)
CASES = [
    *((said, "shared", HOT) for said in CLOCKS),
    *(("the edge of 2^61", kind, HOT) for kind in ("keyless", "user", "temporary")),
    ("the edge of 2^61", "shared", BULK),
]


@pytest.mark.parametrize(
    ("said", "kind", "storage"),
    CASES,
    ids=[f"{said}, {kind}, {'bulk' if storage is BULK else 'hot'}" for said, kind, storage in CASES],
)
def test_changes_of_every_kind_are_right_under_that_clock_and_under_the_right_one_afterwards(
    tmp_path: Path, said: str, kind: str, storage: StorageSettings
):
    clock, rows = ManualClock(TRUTH), None
    for seed, wall_ms in enumerate((TRUTH, CLOCKS[said], TRUTH + 3_600_000)):
        clock.set_wall_ms(wall_ms)
        with house(tmp_path, storage, clock=clock) as served:
            scene = Scene(served, kind, seed, None if kind == "temporary" else rows)
            scene.change()
            clock.advance(6)  # over the edge
            scene.move()
            scene.change()
            clock.advance(3 * 3600)  # past the retention
            scene.move()
            scene.check_keys()
            rows = scene.rows
    if kind != "temporary":
        with house(tmp_path, storage, clock=clock) as served:
            Scene(served, kind, 9, rows).check()


@pytest.mark.parametrize("said", ["the edge of 2^61", "2100", "1970"])
def test_a_clock_set_while_the_server_runs_loses_and_doubles_nothing(tmp_path: Path, said: str):
    clock = ManualClock(TRUTH)
    with house(tmp_path, clock=clock) as served:
        scene = Scene(served, "shared", 1)
        scene.do("BEGIN")
        scene.update()
        clock.set_wall_ms(CLOCKS[said])  # in the middle of a transaction, too
        scene.upsert()
        scene.do("COMMIT")
        scene.change()
        clock.advance(2 * 3600)  # the clock has been there for a while: it is believed
        scene.change()
        scene.move()
        clock.set_wall_ms(TRUTH + 3 * 3_600_000)
        scene.change()
        scene.check()


@pytest.mark.parametrize("kind", ["shared", "user", "temporary"])
@pytest.mark.parametrize("said", BEYOND)
def test_a_clock_beyond_the_last_year_is_refused_and_nothing_is_stored(tmp_path: Path, said: str, kind: str):
    clock = ManualClock(TRUTH)
    with house(tmp_path, clock=clock) as served:
        scene = Scene(served, kind, 1)
        newest = served.engine.state.last_seq
        clock.set_wall_ms(BEYOND[said])
        for sql in (
            "INSERT INTO t VALUES (500, 1)",
            "UPDATE t SET v = 9",
            "DELETE FROM t",
            "TRUNCATE t",
            "MERGE INTO t USING (VALUES (1, 60)) AS s(id, v) ON t.id = s.id WHEN MATCHED THEN DELETE",
            "CREATE TABLE other (a INT)",
        ):
            with pytest.raises(ClockRefused, match=r"the clock of this machine says .*nothing was stored"):
                scene.do(sql)
            scene.check()
        assert served.engine.state.last_seq == newest
        assert served.engine.health == "ok"
        clock.set_wall_ms(TRUTH + 1000)
        scene.change()
        scene.check()


@pytest.mark.parametrize("said", BEYOND)
def test_a_server_that_starts_beyond_the_last_year_reads_and_does_not_write(tmp_path: Path, said: str):
    clock = ManualClock(TRUTH)
    with house(tmp_path, clock=clock) as served:
        rows = Scene(served, "shared", 1).rows
    clock.set_wall_ms(BEYOND[said])
    with house(tmp_path, clock=clock) as served:
        scene = Scene(served, "shared", 2, rows)
        scene.check()
        with pytest.raises(ClockRefused) as refused:
            scene.insert()
        assert refused.value.sqlstate == "58000"
        clock.set_wall_ms(TRUTH + 1000)
        scene.change()


def test_a_refused_bulk_load_keeps_no_key_and_no_file(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with house(tmp_path, BULK, clock=clock) as served:
        scene = Scene(served, "shared", 1)
        before = set(served.engine.files.root.rglob("*.parquet*"))
        clock.set_wall_ms(BEYOND["2201"])
        with pytest.raises(ClockRefused):
            scene.do("INSERT INTO t VALUES (700, 1)")
        clock.set_wall_ms(TRUTH + 1000)
        assert set(served.engine.files.root.rglob("*.parquet*")) == before
        scene.do("INSERT INTO t VALUES (700, 1)")
        scene.rows[700] = 1
        scene.check()


@pytest.mark.parametrize("said", ["2040", "2100", "the last year"])
def test_own_rows_of_a_transaction_are_above_all_others_and_rise(tmp_path: Path, said: str):
    clock = ManualClock(CLOCKS[said])
    with house(tmp_path, clock=clock) as served:
        scene = Scene(served, "shared", 1)
        stored = served.value(scene.session, "SELECT max(_seq) FROM t")
        scene.do("BEGIN")
        scene.do("INSERT INTO t VALUES (100, 1), (101, 1)")
        scene.do("INSERT INTO t VALUES (102, 1)")
        own = served.do(scene.session, "SELECT id, _seq FROM t WHERE id >= 100 ORDER BY _seq").to_pylist()
        assert [row["id"] for row in own] == [100, 101, 102]
        assert own[0]["_seq"] >= FIRST_PROVISIONAL > stored
        scene.do("COMMIT")
        newest = served.value(scene.session, "SELECT max(_seq) FROM t")
        assert stored < newest < FIRST_PROVISIONAL


def test_a_directory_whose_numbers_an_older_server_took_beyond_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clock = ManualClock(moment("2230-01-01T00:00:00"))
    with monkeypatch.context() as older:
        for module in ("storage.seq", "storage.database_time"):
            older.setattr(f"{module}.COMMIT_MS_END", 1 << 43)
        with house(tmp_path, clock=clock) as served:
            scene = Scene(served, "shared", 1)
            scene.move()
            scene.change()
            assert served.engine.state.last_seq > FIRST_PROVISIONAL
    clock.set_wall_ms(TRUTH)
    with house(tmp_path, clock=clock) as served:
        scene = Scene(served, "shared", 2, scene.rows)
        scene.check()
        scene.change()
        scene.move()
        scene.change()
        rows = scene.rows
    with house(tmp_path, clock=clock) as served:
        Scene(served, "shared", 3, rows).check()


def test_time_travel_finds_every_state_by_its_version_whatever_the_clock_said(tmp_path: Path):
    clock, rows, states = ManualClock(TRUTH), None, {}
    for seed, wall_ms in enumerate((TRUTH, CLOCKS["2040"], TRUTH + 60_000)):
        clock.set_wall_ms(wall_ms)
        with house(tmp_path, clock=clock) as served:
            scene = Scene(served, "kept", seed, rows)
            for deed in (scene.update, scene.delete, scene.upsert, scene.insert):
                deed()
                clock.advance(1)
                states[served.engine.state.last_seq] = dict(scene.rows)
                for seq, expected in states.items():
                    found = served.do(scene.session, f"SELECT id, v FROM t FOR VERSION AS OF {seq}").to_pylist()
                    assert {row["id"]: row["v"] for row in found} == expected
            scene.move()
            rows = scene.rows
    assert sorted(states) == list(states)


def test_columns_and_tables_change_under_a_wrong_clock_as_under_a_right_one(tmp_path: Path):
    clock = ManualClock(EDGE)
    with house(tmp_path, clock=clock) as served:
        scene = Scene(served, "shared", 1)
        clock.advance(6)
        scene.do("ALTER TABLE t ADD COLUMN extra BIGINT DEFAULT 5")
        scene.do("BEGIN")
        scene.do("UPDATE t SET extra = 6 WHERE id = 1")
        scene.do("COMMIT")
        scene.do("ALTER TABLE t RENAME TO u")
        scene.do("CREATE TABLE t AS SELECT id, extra FROM u")
        found = served.do(scene.session, "SELECT extra, count(*) AS n FROM t GROUP BY extra").to_pylist()
        assert {row["extra"]: row["n"] for row in found} == {5: 39, 6: 1}
        scene.do("DROP TABLE u")
    clock.set_wall_ms(TRUTH)
    with house(tmp_path, clock=clock) as served:
        session = served.enter()
        served.do(session, "DELETE FROM t WHERE id < 10")
        assert served.value(session, "SELECT count(*) FROM t") == 30


def test_a_clock_that_is_wrong_for_less_than_an_hour_dates_nothing(tmp_path: Path):
    clock = ManualClock(TRUTH)
    with house(tmp_path, clock=clock) as served:
        scene = Scene(served, "shared", 1)
        clock.set_wall_ms(CLOCKS["2040"])
        clock.advance(60)
        scene.change()
        clock.set_wall_ms(TRUTH + 61_000)
        scene.change()
        assert TRUTH <= ms_of(served.engine.state.last_seq) <= TRUTH + 120_000


def test_after_a_wrong_clock_dates_go_on_at_the_pace_of_time(tmp_path: Path):
    clock = ManualClock(CLOCKS["2040"])
    with house(tmp_path, clock=clock) as served:
        Scene(served, "shared", 1)
    clock.set_wall_ms(TRUTH)
    with house(tmp_path, clock=clock) as served:
        session = served.enter()
        first = served.engine.state.last_seq
        clock.advance(100)
        served.do(session, "DELETE FROM t WHERE id = 1")
        assert 99_000 <= ms_of(served.engine.state.last_seq) - ms_of(first) <= 101_000


@pytest.mark.parametrize("eviction", ["ttl", "fifo", "priority(n)"])
def test_events_leave_by_their_age_before_during_and_after_a_wrong_clock(tmp_path: Path, eviction: str):
    clock = ManualClock(TRUTH)
    create = f"CREATE STREAM TABLE s (n BIGINT) WITH (retention = '60s', max_buffer = 5, eviction = '{eviction}')"
    with house(tmp_path, clock=clock) as served:
        served.do(served.enter(), create)
        served.do(served.enter(), "INSERT INTO s VALUES (1), (2)")
    for wall_ms in (CLOCKS["2040"], TRUTH + 1000):
        clock.set_wall_ms(wall_ms)
        with house(tmp_path, clock=clock) as served:
            session = served.enter()
            served.do(session, "INSERT INTO s VALUES (3), (4)")
            seen = {row["n"] for row in served.do(session, "SELECT n FROM s").to_pylist()}
            assert {3, 4} <= seen or eviction == "priority(n)"
            clock.advance(61)
            left = {row["n"] for row in served.do(session, "SELECT n FROM s").to_pylist()}
            assert left == (seen if eviction == "fifo" else set())
            served.do(session, "INSERT INTO s VALUES (5), (6), (7), (8), (9), (10)")
            assert served.value(session, "SELECT count(*) FROM s") == 5
            clock.advance(61)


def test_identity_columns_end_in_2080_with_a_clear_refusal_and_repeat_no_number(tmp_path: Path):
    clock, seen = ManualClock(TRUTH), []
    for wall_ms in (TRUTH, TRUTH - 60_000, moment("2079-01-01T00:00:00"), TRUTH + 60_000):
        clock.set_wall_ms(wall_ms)
        with house(tmp_path, clock=clock) as served:
            session = served.enter()
            served.do(
                session, "CREATE TABLE IF NOT EXISTS i (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v INT)"
            )
            for _ in range(5):
                served.do(session, "INSERT INTO i (v) VALUES (1), (2)")
            seen = [row["id"] for row in served.do(session, "SELECT id FROM i").to_pylist()]
            assert len(seen) == len(set(seen))
    clock.set_wall_ms(moment("2080-07-11T00:00:00"))
    with house(tmp_path, clock=clock) as served:
        with pytest.raises(ClockRefused, match="before 2080-07-10"):
            served.do(served.enter(), "INSERT INTO i (v) VALUES (1)")
        assert served.value(served.enter(), "SELECT count(*) FROM i") == len(seen) == 40
