"""What sessions held is known after a restart, whatever ended the server: who comes again is told, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flight_server.access.principal import Principal
from flight_server.access.sessions import held_file
from flight_server.access.sessions.held_file import IN_TRANSACTION, SETTINGS, HeldFile
from flight_server.access.sessions.session import Session, SessionLost
from flight_server.access.sessions.sessions import Sessions
from storage.clock import ManualClock
from tests.access.held_transaction import Transaction

ANN = Principal("ann", "user")
DAY_MS = 86_400_000


def a_run(directory: Path, clock: ManualClock) -> Sessions:
    return Sessions(clock, 100.0, held=HeldFile(directory / "held", clock.wall_ms(), DAY_MS))


def a_call(sessions: Sessions, id_: str, act: Callable[[Session], object] = lambda _: None) -> Session:
    session = sessions.enter(id_, ANN)
    try:
        act(session)
    finally:
        sessions.leave(session)
    return session


def use(session: Session) -> None:
    session.namespace = "n"


def begin(session: Session) -> None:
    session.transactions.add(Transaction(b"t"), by_statement=True)


@pytest.mark.parametrize("in_order", [True, False])
def test_state_that_a_restart_took_is_told_once(tmp_path: Path, in_order: bool) -> None:
    clock = ManualClock()
    run = a_run(tmp_path, clock)
    for name, acts in {"plain": (), "settings": (use,), "transaction": (begin,), "both": (use, begin)}.items():
        for act in acts or (lambda _: None,):
            a_call(run, name, act)
    if in_order:
        run.close_all()
    again = a_run(tmp_path, clock)
    for name in ("settings", "both"):
        with pytest.raises(SessionLost, match="ended by a restart of the server"):
            a_call(again, name, Session.raise_if_lost)
    for name, why in (("plain", None), ("settings", None), ("transaction", "by a restart of the server")):
        session = a_call(again, name, Session.raise_if_lost)
        assert session.transactions.lost == (why and f"with its session {why}")
    assert a_call(again, "both").transactions.lost is not None


def test_what_was_undone_or_closed_before_the_restart_is_not_told(tmp_path: Path) -> None:
    clock = ManualClock()
    run = a_run(tmp_path, clock)
    a_call(run, "undone", use)
    a_call(run, "undone", lambda session: setattr(session, "namespace", "public"))
    a_call(run, "closed", use)
    run.close("closed", 0)
    again = a_run(tmp_path, clock)
    for name in ("undone", "closed"):
        a_call(again, name, Session.raise_if_lost)


def test_who_does_not_come_in_one_run_is_told_in_the_next_until_the_token_is_void(tmp_path: Path) -> None:
    clock = ManualClock()
    a_call(a_run(tmp_path, clock), "s", use)
    for _ in range(3):
        a_run(tmp_path, clock)
    with pytest.raises(SessionLost):
        a_call(a_run(tmp_path, clock), "s", Session.raise_if_lost)
    a_call(a_run(tmp_path, clock), "other", use)
    clock.advance(86_401)
    a_call(a_run(tmp_path, clock), "other", Session.raise_if_lost)


def test_an_idle_end_is_told_after_a_restart_as_well(tmp_path: Path) -> None:
    clock = ManualClock()
    run = a_run(tmp_path, clock)
    a_call(run, "s", use)
    clock.advance(100)
    assert run.expire_idle() == 1
    with pytest.raises(SessionLost):
        a_call(a_run(tmp_path, clock), "s", Session.raise_if_lost)


def test_the_file_is_bounded_and_its_damaged_end_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_file, "HELD_MAX", 50)
    path = tmp_path / "held"
    held = HeldFile(path, 0, DAY_MS)
    for number in range(5000):
        held.note(f"s{number}", SETTINGS, 1)
        held.note(f"s{number}", SETTINGS | IN_TRANSACTION, 1)
        held.note(f"s{number}", SETTINGS | IN_TRANSACTION, 2)
    assert path.stat().st_size <= 25 * 151
    held.close()
    path.write_bytes(path.read_bytes() + b"half a record")
    again = HeldFile(path, 2, DAY_MS)
    assert (again.take("s4999"), again.take("s4999"), again.take("s1")) == (SETTINGS | IN_TRANSACTION, 0, 0)
    again.close()


def test_without_a_disk_nothing_is_remembered_and_nothing_breaks(tmp_path: Path) -> None:
    clock = ManualClock()
    run = Sessions(clock, 100.0, held=HeldFile(tmp_path / "nowhere" / "held", 0, DAY_MS))
    a_call(run, "s", use)
    run.close_all()
