"""A statement is tried again after a conflict, as often as it may, and its transaction is let go of each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from flight_server.sql.scopes.attempt import Attempt, Opened
from storage.errors import Conflict, InvalidRequest
from storage.state.edits import Committed


class Transaction:
    """Notes what is done to it."""

    def __init__(self, commit: Callable[[], Committed | None] = lambda: None) -> None:
        self.done: list[str] = []
        self._commit = commit

    def opened(self) -> Opened:
        context: Any = "context"
        return Opened(context, self._note("end"), self._committed, self._note("undo"))

    def _note(self, what: str) -> Callable[[], None]:
        return lambda: self.done.append(what)

    def _committed(self) -> Committed | None:
        self.done.append("commit")
        return self._commit()


def conflict() -> NoReturn:
    raise Conflict("others were first")


def run(attempt: Attempt, body: Callable[[], object]) -> None:
    with attempt:
        body()


def test_what_holds_is_committed_and_done() -> None:
    transaction = Transaction()
    attempt = Attempt(transaction.opened)
    with attempt as context:
        assert context == "context"
    assert attempt.is_done
    assert transaction.done == ["commit", "end"]


def test_an_error_undoes_and_is_raised() -> None:
    transaction = Transaction()
    attempt = Attempt(transaction.opened, is_last=False)
    with pytest.raises(InvalidRequest), attempt:
        raise InvalidRequest("wrong")
    assert not attempt.is_done
    assert transaction.done == ["undo", "end"]


@pytest.mark.parametrize("at", ["in the statement", "in the commit"])
def test_a_conflict_is_quiet_while_others_follow(at: str) -> None:
    transaction = Transaction(conflict if at == "in the commit" else lambda: None)
    attempt = Attempt(transaction.opened, is_last=False)
    with attempt:
        if at == "in the statement":
            conflict()
    assert not attempt.is_done
    assert transaction.done[-1] == "end"


@pytest.mark.parametrize("at", ["in the statement", "in the commit"])
@pytest.mark.parametrize("why", ["last", "stopped"])
def test_a_conflict_is_raised_where_none_follows(at: str, why: str) -> None:
    transaction = Transaction(conflict if at == "in the commit" else lambda: None)
    attempt = Attempt(transaction.opened, is_last=why == "last", is_stopped=lambda: why == "stopped")
    with pytest.raises(Conflict):
        run(attempt, conflict if at == "in the statement" else lambda: None)
    assert not attempt.is_done
    assert transaction.done[-1] == "end"


def test_a_transaction_that_is_kept_ends_when_it_is_let_go() -> None:
    transaction = Transaction()
    attempt = Attempt(transaction.opened)
    with attempt:
        release = attempt.keep()
    assert attempt.is_done
    assert "end" not in transaction.done
    release()
    assert transaction.done == ["commit", "end"]


def test_a_transaction_that_was_kept_before_an_error_ends_at_once() -> None:
    transaction = Transaction()
    attempt = Attempt(transaction.opened)
    with pytest.raises(Conflict):
        run(attempt, lambda: (attempt.keep(), conflict()))
    assert transaction.done == ["undo", "end"]


@pytest.mark.parametrize(("discarded", "said"), [(0, False), (3, True)])
def test_events_that_nobody_listened_to_are_told(discarded: int, said: bool) -> None:
    attempt = Attempt(Transaction(lambda: Committed(1, 1, 0, 0, discarded)).opened)
    with attempt:
        assert not attempt.was_discarded
    assert attempt.was_discarded is said
