"""Places for running queries: who gets one, who waits, and what becomes of those who wait too long or give up."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from flight_server.sql.context.admission import Admission, Limits
from flight_server.sql.context.running_statements import RunningState, RunningStatements
from storage.clock import ManualClock, SystemClock
from storage.errors import Cancelled, LimitExceeded
from tests.support.flight_client import wait_until


def never() -> bool:
    return False


def admission(running_max: int, per_user: int = 10, seconds: float = 60.0) -> Admission:
    return Admission(Limits(running_max, per_user, seconds), SystemClock())


def entering(pool: ThreadPoolExecutor, of: Admission, user: str) -> Future[None]:
    """Begins to wait, as a call would, behind those that wait already."""
    before = repr(of)
    begun = pool.submit(of.enter, user, never)
    wait_until(lambda: repr(of) != before)
    return begun


def test_places_are_given_in_the_order_of_asking():
    places = admission(running_max=1)
    places.enter("ann", never)
    with ThreadPoolExecutor() as pool:
        first, second = entering(pool, places, "bea"), entering(pool, places, "cem")
        places.leave("ann")
        first.result(timeout=5)
        assert not second.done()
        places.leave("bea")
        second.result(timeout=5)
    assert repr(places) == "<Admission [1 running, 0 waiting]>"


def test_one_user_leaves_places_to_the_others():
    places = admission(running_max=3, per_user=2)
    places.enter("ann", never)
    places.enter("ann", never)
    with ThreadPoolExecutor() as pool:
        third = entering(pool, places, "ann")
        places.enter("bea", never)
        places.leave("bea")
        assert not third.done()
        places.leave("ann")
        third.result(timeout=5)


def test_who_waits_too_long_is_told_which_limit_it_was():
    places = admission(running_max=2, per_user=1, seconds=0.0)
    places.enter("ann", never)
    with pytest.raises(LimitExceeded, match=r"1 of user 'ann' \(query\.running_per_user_max\)") as mine:
        places.enter("ann", never)
    places.enter("bea", never)
    with pytest.raises(LimitExceeded, match=r"2 \(query\.running_max\)") as all_:
        places.enter("cem", never)
    assert (mine.value.sqlstate, all_.value.sqlstate) == ("53300", "53300")
    assert repr(places) == "<Admission [2 running, 0 waiting]>"


def test_who_gives_up_leaves_the_line():
    places = admission(running_max=1)
    places.enter("ann", never)
    gone = threading.Event()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(places.enter, "bea", gone.is_set)
        wait_until(lambda: "1 waiting" in repr(places))
        gone.set()
        with pytest.raises(Cancelled):
            waiting.result(timeout=5)
    places.leave("ann")
    assert repr(places) == "<Admission [0 running, 0 waiting]>"


def test_no_place_is_lost_however_they_come_and_go():
    places = admission(running_max=3, per_user=2)

    def work(number: int) -> None:
        asked = iter([False] * (number % 4))
        user = f"user{number % 5}"
        try:
            places.enter(user, lambda: next(asked, number % 4 == 3))
        except Cancelled:
            return
        places.leave(user)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(2000)))
    assert repr(places) == "<Admission [0 running, 0 waiting]>"


def test_a_statement_holds_one_place_until_it_ends_however_it_ends():
    places = admission(running_max=1)
    statements = RunningStatements(ManualClock(), places)
    statement = statements.add("ann", "SELECT 1")
    statements.admit(statement, never)
    statements.admit(statement, never)
    assert places.running == 1
    statements.end(statement, None)
    statements.end(statement, None)
    assert places.running == 0


def test_a_statement_that_is_killed_while_it_waits_takes_no_place():
    places = admission(running_max=1)
    statements = RunningStatements(ManualClock(), places)
    statements.admit(statements.add("ann", "SELECT 1"), never)
    waiting = statements.add("bea", "SELECT 2")
    with ThreadPoolExecutor() as pool:
        begun = pool.submit(statements.admit, waiting, never)
        wait_until(lambda: waiting.state is RunningState.QUEUED)
        waiting.cancel("killed")
        with pytest.raises(Cancelled):
            begun.result(timeout=5)
    statements.end(waiting, Cancelled("killed"))
    assert (places.running, waiting.state) == (1, RunningState.CANCELLED)
