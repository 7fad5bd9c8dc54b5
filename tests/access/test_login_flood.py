"""Log-ins side by side: no more guesses than one after another, a bounded line, and who is known comes first."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher

from flight_server.access.login.authenticator import Authenticator
from flight_server.access.login.hash_queue import WAITING_MAX, HashQueue, Rank
from flight_server.access.login.lockout import Lockout
from flight_server.access.login.passwords import Passwords
from flight_server.access.login.tokens import Tokens
from flight_server.access.settings import AccessSettings
from storage.catalog.users import UserRecord
from storage.clock import ManualClock
from storage.errors import FrostlineError, LimitExceeded, Unauthenticated
from tests.access.log_in_headers import basic

GUESSES = 200
SECONDS_MAX = 60  # after which a test that hangs fails


class Slow(PasswordHasher):
    """Compares when it is let go, and counts."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.compared = 0
        self.go = threading.Event()
        self._lock = threading.Lock()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        with self._lock:
            self.compared += 1
        assert self.go.wait(SECONDS_MAX)
        return super().verify(hash, password)


class Door:
    """An authenticator with two users."""

    def __init__(self, **settings: Any) -> None:
        self.hasher = Slow()
        self.passwords = Passwords(self.hasher)
        self.passwords.warm()
        right = self.passwords.hash("right")
        users = {name: UserRecord(name=name, role="user", password_hash=right) for name in ("ann", "bob", "root")}
        self.clock = ManualClock()
        self.authenticator = Authenticator(
            lambda: users, self.passwords, Tokens(b"k" * 32, self.clock, 60), self.clock, AccessSettings(**settings)
        )

    def try_in(self, name: str, password: str, *, is_local: bool = False) -> str:
        """The message of the refusal, or nothing."""
        try:
            self.authenticator.caller(basic(name, password), is_local=is_local)
        except FrostlineError as error:
            return error.message
        return ""

    def waiting(self) -> int:
        return self.passwords.hash_queue.waiting


@contextmanager
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(GUESSES + 50) as threads:
        yield threads


def settled(look: Callable[[], bool]) -> None:
    """Wait until it is so; a test that hangs fails."""
    pause = threading.Event()
    for _ in range(SECONDS_MAX * 100):
        if look():
            return
        pause.wait(0.01)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize("name", ["ann", "nobody"])
@pytest.mark.parametrize("is_local", [False, True])
def test_two_hundred_guesses_at_once_are_compared_five_times(name: str, is_local: bool) -> None:
    door = Door(login_failures_max=5)
    with pool() as threads:
        guesses = [threads.submit(door.try_in, name, f"guess {number}", is_local=is_local) for number in range(GUESSES)]
        settled(lambda: door.hasher.compared > 0)
        door.hasher.go.set()
        told = Counter(guess.result(SECONDS_MAX) for guess in guesses)
    assert door.hasher.compared == 5
    assert told["wrong user name or password"] == 5
    assert told[""] == 0
    assert door.try_in(name, "right", is_local=is_local) == "too many failed log-ins; wait a while and try again"
    assert door.hasher.compared == 5


def test_a_pool_that_logs_in_at_once_gets_in_with_one_comparison() -> None:
    door = Door(login_failures_max=5)
    with pool() as threads:
        told = [threads.submit(door.try_in, "ann", "right") for _ in range(150)]
        settled(lambda: door.authenticator._same == 149)
        door.hasher.go.set()
        assert {one.result(SECONDS_MAX) for one in told} == {""}
    assert door.hasher.compared == 1


def test_right_passwords_among_wrong_ones_are_not_refused_by_those_under_way() -> None:
    """One wrong and one right password at a time are no more failures than that."""
    door = Door(login_failures_max=2)
    door.hasher.go.set()
    with pool() as threads:
        for number in range(20):
            right = threads.submit(door.try_in, "ann", "right")
            assert right.result(SECONDS_MAX) == ""
            assert door.try_in("ann", f"wrong {number}") == "wrong user name or password"
            door.authenticator._proven.clear()
    assert door.try_in("ann", "right") == ""


def test_a_lock_from_the_network_does_not_keep_root_out_of_its_own_machine() -> None:
    door = Door(login_failures_max=5)
    door.hasher.go.set()
    for number in range(10):
        door.try_in("root", f"guess {number}")
    assert door.try_in("root", "right") == "too many failed log-ins; wait a while and try again"
    assert door.try_in("root", "right", is_local=True) == ""


def test_a_flood_of_unknown_names_holds_up_neither_known_ones_nor_this_machine() -> None:
    door = Door()
    with pool() as threads:
        flood = [threads.submit(door.try_in, f"nobody {number}", "x") for number in range(100)]
        settled(lambda: sum(one.done() for one in flood) == 100 - door.hasher.compared - (WAITING_MAX - 1))
        refused = {one.result() for one in flood if one.done()}
        assert refused == {"too many log-ins wait for their password to be checked; try again later"}
        known = threads.submit(door.try_in, "ann", "right")
        local = threads.submit(door.try_in, "bob", "right", is_local=True)
        settled(lambda: door.waiting() == WAITING_MAX - 1 and not known.done())
        door.hasher.go.set()
        assert (known.result(SECONDS_MAX), local.result(SECONDS_MAX)) == ("", "")


# --- the line itself -------------------------------------------------------------------------------------------


class Line:
    """Log-ins in a line before one place; the order in which they had it."""

    def __init__(self, waiting_max: int = WAITING_MAX) -> None:
        self.places = HashQueue(1, waiting_max)
        self.order: list[str] = []
        self.threads = ThreadPoolExecutor(50)

    def come(self, name: str, rank: Rank, *, is_local: bool = False) -> Future[None]:
        before = self.places.waiting
        come = self.threads.submit(self._stay, name, rank, is_local)
        settled(lambda: self.places.waiting > before or come.done())
        return come

    def _stay(self, name: str, rank: Rank, is_local: bool) -> None:
        with self.places.place(rank, is_local=is_local):
            self.order.append(name)


def test_who_logged_in_lately_comes_first_and_unknown_names_last() -> None:
    line = Line()
    with line.threads, line.places.place(Rank.UNKNOWN, is_local=False):
        for name, rank in (("u1", 2), ("k1", 1), ("l1", 0), ("u2", 2), ("l2", 0), ("k2", 1)):
            line.come(name, Rank(rank))
    line.threads.shutdown()
    assert line.order == ["l1", "l2", "k1", "k2", "u1", "u2"]


def test_in_a_full_line_the_lowest_makes_room_and_else_the_new_one_is_refused() -> None:
    line = Line(waiting_max=4)
    with line.threads, line.places.place(Rank.UNKNOWN, is_local=False):
        unknown = [line.come(f"u{number}", Rank.UNKNOWN) for number in range(3)]
        with pytest.raises(LimitExceeded) as refused:
            line.come("u3", Rank.UNKNOWN).result(SECONDS_MAX)
        assert refused.value.sqlstate == "53300"
        known = [line.threads.submit(line._stay, f"k{number}", Rank.KNOWN, False) for number in range(3)]
        for one in unknown:
            with pytest.raises(LimitExceeded):
                one.result(SECONDS_MAX)
        with pytest.raises(LimitExceeded):
            line.come("k3", Rank.KNOWN).result(SECONDS_MAX)
        assert (line.places.waiting, line.places.refused) == (3, 5)
    assert {one.result(SECONDS_MAX) for one in known} == {None}


def test_one_place_is_for_this_machine() -> None:
    line = Line(waiting_max=4)
    with line.threads, line.places.place(Rank.LATELY, is_local=False):
        for number in range(3):
            line.come(f"r{number}", Rank.LATELY)
        line.come("here", Rank.UNKNOWN, is_local=True).result(SECONDS_MAX)
        assert line.order == ["here"]


def test_a_lock_counts_what_is_under_way_and_takes_back_what_was_not_looked_at() -> None:
    lockout = Lockout(ManualClock(), 2, 30)
    assert lockout.begin("a")
    assert lockout.begin("a")
    with ThreadPoolExecutor(1) as threads:
        third = threads.submit(lockout.begin, "a")
        settled(lambda: lockout._waiting == 1)
        lockout.withdraw("a")
        assert third.result(SECONDS_MAX)
    lockout.failed("a")
    lockout.succeeded("a")
    assert not lockout.is_locked("a")
    assert not lockout._under_way
    for _ in range(2):
        assert lockout.begin("a")
        lockout.failed("a")
    assert not lockout.begin("a")
    assert not lockout._under_way


def test_a_refusal_of_one_is_that_of_all_with_the_same_password() -> None:
    door = Door(login_failures_max=5)
    with pool() as threads:
        same = [threads.submit(door.try_in, "ann", "wrong") for _ in range(20)]
        settled(lambda: door.authenticator._same == 19)
        door.hasher.go.set()
        assert {one.result(SECONDS_MAX) for one in same} == {"wrong user name or password"}
    assert door.hasher.compared == 1
    with pytest.raises(Unauthenticated, match="too many failed"):
        door.authenticator.caller(basic("ann", "right"))
