"""What a user holds without having committed it has a sum, for the user and for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import LimitExceeded
from storage.settings import StorageSettings
from storage.shares import ShareLimits, Shares
from tests.support.in_process import House, house

SETTINGS = StorageSettings(uncommitted_bytes_max=3_000_000, uncommitted_per_user_bytes_max=2_000_000)
INSERT = "INSERT INTO t SELECT value, repeat('x', 1000) FROM generate_series({0}, {0} + 499)"  # half a megabyte


def filled(opened: House, session, times: int) -> None:
    for n in range(times):
        opened.do(session, INSERT.format(n * 500))


@pytest.mark.parametrize("sessions", [1, 2])
def test_open_transactions_of_a_user_hold_so_much_and_no_more(tmp_path: Path, sessions: int):
    with house(tmp_path, SETTINGS) as opened:
        own = [opened.enter(f"s{n}") for n in range(sessions)]
        opened.do(own[0], "CREATE TABLE t (a BIGINT, b TEXT)")
        for session in own:
            opened.do(session, "BEGIN")
        filled(opened, own[0], 3)
        with pytest.raises(LimitExceeded, match=r"'root' .*storage\.uncommitted_per_user_bytes_max") as refused:
            filled(opened, own[-1], 2)
        assert refused.value.sqlstate == "53200"
        opened.do(own[0], "COMMIT")
        opened.do(own[0], "BEGIN")
        opened.do(own[0], INSERT.format(0))
        for session in own:
            opened.do(session, "ROLLBACK")
        assert opened.value(own[0], "SELECT count(*) FROM t") == 1500
        assert opened.engine.uncommitted.bytes == 0


def test_what_a_savepoint_undoes_counts_no_more(tmp_path: Path):
    with house(tmp_path, SETTINGS) as opened:
        session = opened.enter()
        opened.do(session, "CREATE TABLE t (a BIGINT, b TEXT)")
        opened.do(session, "BEGIN")
        for _ in range(5):
            opened.do(session, "SAVEPOINT s")
            filled(opened, session, 3)
            opened.do(session, "ROLLBACK TO s")
        filled(opened, session, 3)
        opened.do(session, "COMMIT")
        assert opened.value(session, "SELECT count(*) FROM t") == 1500


def test_all_users_together_hold_so_much_and_an_idle_end_gives_it_back(tmp_path: Path):
    with house(tmp_path, SETTINGS) as opened:
        session = opened.enter()
        opened.do(session, "CREATE TABLE t (a BIGINT, b TEXT)")
        opened.engine.uncommitted.exchange("somebody", 0, 2_000_000)
        opened.do(session, "BEGIN")
        with pytest.raises(LimitExceeded, match=r"of all users .*storage\.uncommitted_bytes_max"):
            filled(opened, session, 3)
        opened.clock.advance(1000.0)
        opened.sessions.end_idle_transactions(300.0)
        assert opened.engine.uncommitted.bytes == 2_000_000


def test_shares_are_given_back_whoever_holds_them():
    shares = Shares(ShareLimits("things", 100, "all", 60, "each"))
    shares.exchange("ann", 0, 60)
    with pytest.raises(LimitExceeded, match="each"):
        shares.exchange("ann", 0, 1)
    with pytest.raises(LimitExceeded, match="all"):
        shares.exchange("bert", 0, 41)
    shares.exchange("bert", 0, 40)
    shares.exchange("ann", 60, 10)
    assert (shares.of("ann"), shares.of("bert"), shares.bytes) == (10, 40, 50)
