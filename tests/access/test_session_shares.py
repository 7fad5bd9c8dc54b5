"""Sessions have places for all: a share for each user, some for administrators, and nothing that only time ends."""

from __future__ import annotations

import pytest

from flight_server.access.principal import Principal
from flight_server.access.sessions import ended_sessions
from flight_server.access.sessions.ended_sessions import ClosedSessions, LostSessions, LostState
from flight_server.access.sessions.session import Session, SessionLost
from flight_server.access.sessions.sessions import SessionLimits, Sessions
from flight_server.calls.cookies import Cookies
from storage.clock import ManualClock
from storage.errors import LimitExceeded, Unauthenticated
from tests.access.held_transaction import Transaction

ANN, BOB = Principal("ann", "user"), Principal("bob", "service")
DBA, ROOT = Principal("eve", "dba"), Principal("root", "system")
LIMITS = SessionLimits(sessions_max=20, per_user_max=5, administrators_places=4)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sessions(clock: ManualClock) -> Sessions:
    return Sessions(clock, 100.0, limits=LIMITS)


def visit(sessions: Sessions, id_: str, who: Principal, expires_ms: int = 0) -> Session:
    session = sessions.enter(id_, who, expires_ms)
    sessions.leave(session)
    return session


def ids(sessions: Sessions, who: Principal) -> list[str]:
    return sorted(session.id for session in sessions if session.principal.name == who.name)


def test_over_their_share_a_users_longest_idle_session_goes(sessions: Sessions, clock: ManualClock) -> None:
    bobs = visit(sessions, "bob", BOB)
    for number in range(5):
        clock.advance(1)
        visit(sessions, f"a{number}", ANN)
    visit(sessions, "a0", ANN)  # so that a1 is the one
    visit(sessions, "a5", ANN)
    assert ids(sessions, ANN) == ["a0", "a2", "a3", "a4", "a5"]
    assert visit(sessions, "bob", BOB) is bobs


def test_ten_thousand_sessions_of_one_user_keep_nobody_out(clock: ManualClock) -> None:
    sessions = Sessions(clock, 3600.0)
    for number in range(10_000):
        visit(sessions, f"a{number}", ANN)
    assert len(ids(sessions, ANN)) == SessionLimits().per_user_max
    for who in (BOB, DBA, ROOT):
        visit(sessions, who.name, who)


def test_what_is_busy_or_in_a_transaction_stays_and_that_user_alone_is_refused(sessions: Sessions) -> None:
    for number in range(5):
        session = sessions.enter(f"a{number}", ANN)
        if number % 2:
            session.transactions.add(Transaction(b"t"), by_statement=True)
            sessions.leave(session)
    with pytest.raises(LimitExceeded, match=r"user 'ann' .*sessions_per_user_max") as refused:
        sessions.enter("a5", ANN)
    assert refused.value.sqlstate == "53400"
    visit(sessions, "bob", BOB)


def test_some_places_are_for_administrators_alone(sessions: Sessions) -> None:
    for number in range(16):
        sessions.enter(f"s{number}", Principal(f"user {number}", "user"))
    for who in (ANN, BOB):
        with pytest.raises(LimitExceeded, match="sessions_max"):
            sessions.enter("more", who)
    for number, who in enumerate((DBA, ROOT, DBA, ROOT)):
        sessions.enter(f"administrator {number}", who)
    with pytest.raises(LimitExceeded):
        sessions.enter("more", ROOT)


def test_when_all_places_are_taken_one_of_who_has_most_goes(sessions: Sessions) -> None:
    for number in range(4):
        for user in range(4):
            visit(sessions, f"{number} of {user}", Principal(f"user {user}", "user"))
    visit(sessions, "extra", ANN)
    assert len(list(sessions)) == 16
    assert "0 of 0" not in {session.id for session in sessions}


def test_whose_session_made_room_is_told_if_it_had_state(sessions: Sessions) -> None:
    visit(sessions, "a0", ANN).namespace = "n"
    visit(sessions, "a1", ANN)
    for number in range(2, 7):
        visit(sessions, f"a{number}", ANN)
    again = visit(sessions, "a0", ANN)
    with pytest.raises(SessionLost, match="ended to make room for a newer one"):
        again.raise_if_lost()
    again.raise_if_lost()
    visit(sessions, "a1", ANN).raise_if_lost()


# --- nothing by time alone -------------------------------------------------------------------------------------


def test_closed_sessions_are_bounded_and_what_is_forgotten_is_refused(clock: ManualClock) -> None:
    closed = ClosedSessions(closed_max=10)
    for number in range(30):
        closed.add(f"s{number}", 1000 + number)
    assert len(closed) == 10
    assert all(closed.refuses(f"s{number}", 1000 + number) for number in range(30))
    assert not closed.refuses("another", 1030)
    assert not closed.refuses("without a token", 0)
    closed.expire(2000)
    assert len(closed) == 0


def test_a_million_closed_sessions_take_a_bounded_number_of_entries(clock: ManualClock) -> None:
    closed = ClosedSessions()
    for number in range(300_000):
        closed.add(f"s{number}", 1000 + number)
    assert len(closed) == len(closed._by_expiry) == ended_sessions.CLOSED_MAX


def test_sessions_that_are_opened_and_closed_leave_nothing_to_look_at(sessions: Sessions, clock: ManualClock) -> None:
    for number in range(10_000):
        visit(sessions, f"s{number}", ANN)
        sessions.close(f"s{number}", 0)
    assert len(sessions._to_look_at) < 100
    clock.advance(1000)
    assert (sessions.expire_idle(), sessions._to_look_at, sessions._of_user) == (0, [], {})


def test_what_was_lost_is_bounded_and_a_greedy_user_pays_for_it() -> None:
    lost = LostSessions(lost_max=10)
    state = LostState("by a test", has_settings=True, in_transaction=False)
    lost.add("bob", "bob", state, 500)
    dropped = [lost.add(f"a{number}", "ann", state, 1000 + number) for number in range(1000)]
    assert (len(lost), len(lost._by_expiry) <= 20) == (10, True)
    assert dropped[9:12] == [("a0", 1000), ("a1", 1001), ("a2", 1002)]
    assert (lost.take("bob"), lost.take("bob"), lost.take("a0")) == (state, None, None)
    lost.expire(10_000)
    assert (len(lost), lost._of_user, lost._by_expiry) == (0, {}, [])


def test_a_token_whose_loss_is_not_remembered_has_to_log_in_again(
    sessions: Sessions, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions._lost = LostSessions(lost_max=1)
    for name in ("a", "b"):
        visit(sessions, name, ANN, clock.wall_ms() + 1_000_000).namespace = "n"
    clock.advance(100)
    assert sessions.expire_idle() == 2
    with pytest.raises(Unauthenticated):
        sessions.enter("a", ANN)
    with pytest.raises(SessionLost):
        visit(sessions, "b", ANN).raise_if_lost()


def test_housekeeping_looks_at_those_that_are_due_alone(sessions: Sessions, clock: ManualClock) -> None:
    for number in range(4):
        visit(sessions, f"a{number}", ANN)
    clock.advance(60)
    busy = sessions.enter("busy", ANN)
    visit(sessions, "a0", ANN)
    clock.advance(40)
    assert (sessions.expire_idle(), ids(sessions, ANN)) == (3, ["a0", "busy"])
    clock.advance(60)
    assert (sessions.expire_idle(), ids(sessions, ANN)) == (1, ["busy"])
    sessions.leave(busy)
    clock.advance(99)
    assert sessions.expire_idle() == 0
    clock.advance(1)
    assert sessions.expire_idle() == 1


def test_the_cookies_of_one_user_make_nobody_elses_forgotten() -> None:
    cookies = Cookies()
    mine = cookies.session_of("bob", "ipv4:1.2.3.4:5", None, "bobs")
    for number in range(20_000):
        cookies.session_of("ann", "ipv4:1.2.3.4:6", None, f"offered {number}")
        cookies.session_of("ann", "ipv4:1.2.3.4:6", f"taken {number}", None)
    assert cookies.session_of("bob", "ipv4:1.2.3.4:7", "bobs", None) == mine
