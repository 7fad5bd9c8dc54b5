"""Attempt is one try at a statement: a context manager around its transaction, which a conflict ends quietly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.interface.request import never
from storage.errors import Conflict
from storage.state.edits import Committed


def _nothing() -> None:
    """Of a scope that has nothing to commit or to undo."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The context of one attempt, and how it ends.

    end:    lets go of the transaction, whatever came of it
    commit: what goes before, when there was no error
    undo:   what goes before, when there was one
    """

    context: StatementContext
    end: Callable[[], None]
    commit: Callable[[], Committed | None] = _nothing
    undo: Callable[[], None] = _nothing


class Attempt:
    """Use it as `for attempt in scopes...: with attempt as context: ..`.

    `is_done` says that it held: without an error, the commit included. Conflict is raised only where no other attempt
    follows.
    """

    def __init__(
        self, open_: Callable[[], Opened], *, is_last: bool = True, is_stopped: Callable[[], bool] = never
    ) -> None:
        """is_stopped: whether the statement was; then no attempt follows"""
        self.is_done = False
        self._open = open_
        self._is_last = is_last
        self._is_stopped = is_stopped
        self._opened: Opened | None = None
        self._is_kept = False
        self._committed: Committed | None = None

    @property
    def was_discarded(self) -> bool:
        """Whether what it committed were events that nobody listened to."""
        return self._committed is not None and self._committed.discarded > 0

    @property
    def last_seq(self) -> int | None:
        """Of what it committed; None when that was nothing, or is its session's alone."""
        return None if self._committed is None else self._committed.seq_last

    def keep(self) -> Callable[[], None]:
        """Leave the transaction open; whoever calls what is returned lets go of it."""
        assert self._opened is not None
        self._is_kept = True
        return self._opened.end

    def __enter__(self) -> StatementContext:
        self._opened = self._open()
        return self._opened.context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        assert self._opened is not None
        try:
            if error is not None:
                self._opened.undo()
                return self._is_repeated(error)
            self._committed = self._opened.commit()
            self.is_done = True
        except Conflict as conflict:
            if not self._is_repeated(conflict):
                raise
        finally:
            if error is not None or not self._is_kept:
                self._opened.end()
        return False

    def _is_repeated(self, error: BaseException) -> bool:
        return isinstance(error, Conflict) and not self._is_last and not self._is_stopped()
