"""Whether a clock that was set ahead is believed, and what time it is for the database meanwhile."""

from __future__ import annotations

import pytest

from storage.clock import DAY_MS, ManualClock
from storage.clock_trust import CONFIRM_SECONDS, ClockTrust
from storage.database_time import HOUR_MS, MINUTE_MS, DatabaseTime, Now
from storage.seq import COMMIT_MS_END

TRUTH = 1_795_953_600_000  # 2026-11-29T12:00 UTC
YEAR_MS = 365 * DAY_MS


def test_a_clock_that_runs_or_steps_a_little_is_followed_at_once():
    trust = ClockTrust(TRUTH, 0.0, MINUTE_MS)
    for seconds, ahead_ms in ((10, 0), (20, 500), (30, 60_400), (40, -5000), (10_000, 0)):
        assert trust.look(TRUTH + seconds * 1000 + ahead_ms, seconds) == TRUTH + seconds * 1000 + ahead_ms


def test_a_step_ahead_is_believed_after_an_hour_of_looks_that_agree():
    trust = ClockTrust(TRUTH, 0.0, MINUTE_MS)
    assert trust.look(TRUTH + YEAR_MS + 1000, 1.0) == TRUTH + 1000
    assert trust.look(TRUTH + YEAR_MS + 3_600_000, 3600.0) == TRUTH + 3_600_000
    assert trust.look(TRUTH + YEAR_MS + 3_601_000, 3601.0) == TRUTH + YEAR_MS + 3_601_000


def test_an_hour_in_which_the_clock_moved_on_its_own_proves_nothing():
    trust = ClockTrust(TRUTH, 0.0, MINUTE_MS)
    for hour in range(5):  # ahead by one year more each time
        seconds = hour * CONFIRM_SECONDS
        assert trust.look(TRUTH + (hour + 1) * YEAR_MS, seconds) == TRUTH + round(seconds * 1000)


def test_a_step_that_is_taken_back_is_forgotten():
    trust = ClockTrust(TRUTH, 0.0, MINUTE_MS)
    trust.look(TRUTH + YEAR_MS, 0.0)
    assert trust.look(TRUTH + 60_000, 60.0) == TRUTH + 60_000
    assert trust.look(TRUTH + YEAR_MS + 3_600_000, 3600.0) == TRUTH + 3_600_000


def test_no_time_is_believed_that_the_clock_does_not_say_in_years():
    trust = ClockTrust(TRUTH, 0.0, MINUTE_MS)
    assert trust.look(None, 5.0) == TRUTH + 5000


def both(time: DatabaseTime) -> tuple[int, int]:
    now, settled = time.both()
    return now.database_ms, settled.database_ms


def test_in_normal_times_all_times_are_the_clock():
    clock = ManualClock(TRUTH)
    time = DatabaseTime(clock, TRUTH - 5000)
    for _ in range(5):
        clock.advance(7200)
        assert time.both() == (Now.at(clock.wall_ms()), Now.at(clock.wall_ms()))


@pytest.mark.parametrize("step_ms", [2 * MINUTE_MS, HOUR_MS, DAY_MS])
def test_a_step_of_up_to_a_day_dates_commits_at_once_and_settles_after_an_hour(step_ms: int):
    clock = ManualClock(TRUTH)
    time = DatabaseTime(clock, TRUTH)
    clock.set_wall_ms(TRUTH + step_ms)
    assert both(time) == (TRUTH + step_ms, TRUTH)
    clock.advance(CONFIRM_SECONDS)
    assert both(time) == (clock.wall_ms(), clock.wall_ms())


def test_a_step_of_years_dates_nothing_for_an_hour():
    clock = ManualClock(TRUTH)
    time = DatabaseTime(clock, TRUTH)
    clock.set_wall_ms(TRUTH + 14 * YEAR_MS)
    assert both(time) == (TRUTH, TRUTH)
    clock.advance(60)
    assert both(time) == (TRUTH + 60_000, TRUTH + 60_000)
    clock.advance(CONFIRM_SECONDS)
    assert both(time) == (clock.wall_ms(), clock.wall_ms())


def test_a_machine_that_learns_the_time_after_the_server_started_is_believed():
    for newest_ms, started_ms in ((0, 1000), (TRUTH - 90 * DAY_MS, 946_684_800_000)):
        clock = ManualClock(started_ms)
        time = DatabaseTime(clock, newest_ms)
        time.now()
        clock.set_wall_ms(TRUTH)
        assert time.now().database_ms == TRUTH


def test_after_a_long_rest_commits_are_dated_right_and_nothing_goes_for_an_hour():
    clock = ManualClock(TRUTH)
    time = DatabaseTime(clock, TRUTH - 40 * DAY_MS)
    assert both(time) == (TRUTH, TRUTH - 40 * DAY_MS)
    clock.advance(CONFIRM_SECONDS - 1)
    assert time.settled().wall_ms < TRUTH - 39 * DAY_MS
    clock.advance(1)
    assert time.settled() == Now.at(clock.wall_ms())


def test_a_clock_beyond_the_last_year_is_never_believed():
    clock = ManualClock(COMMIT_MS_END + 5)
    for newest_ms in (TRUTH, 0):
        time = DatabaseTime(clock, newest_ms)
        for _ in range(3):
            clock.advance(CONFIRM_SECONDS)
            now, settled = time.both()
            assert now.clock_ms >= COMMIT_MS_END
            assert max(now.wall_ms, now.database_ms, settled.database_ms) < TRUTH + DAY_MS


def test_dates_never_fall_and_the_clock_catches_up_with_a_small_step_back():
    clock = ManualClock(TRUTH)
    time = DatabaseTime(clock, TRUTH)
    clock.set_wall_ms(TRUTH - HOUR_MS)
    last = time.now().database_ms
    assert last == TRUTH
    for _ in range(30):
        clock.advance(300)
        assert last < time.now().database_ms
        last = time.now().database_ms
    assert last == clock.wall_ms()


def test_dates_far_ahead_of_the_clock_go_on_at_its_pace():
    clock = ManualClock(TRUTH)
    time = DatabaseTime(clock, TRUTH + 14 * YEAR_MS)
    clock.advance(1000)
    assert time.now().database_ms == TRUTH + 14 * YEAR_MS + 1_000_000


def test_age_goes_by_the_clock_that_gave_the_date():
    now = Now(TRUTH, TRUTH, TRUTH + 14 * YEAR_MS)
    assert now.ageing(TRUTH - 5) == TRUTH
    assert now.ageing(None) == TRUTH
    assert now.ageing(TRUTH + 14 * YEAR_MS - 5) == TRUTH + 14 * YEAR_MS
    near = Now(TRUTH, TRUTH, TRUTH + HOUR_MS)
    assert near.ageing(TRUTH - 5) == near.ageing(TRUTH + 5) == TRUTH + HOUR_MS
