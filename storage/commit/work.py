"""Committer work: what waits in the committer's queue beside edits."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from storage.commit.change_feed import ChangeListener
from storage.primary_keys.reservations import KeyReservation, UnseenReservation
from storage.state.edits import Edit
from storage.state.state import DatabaseState


@dataclass(frozen=True, slots=True)
class Listen:
    """Begin to hear a partition's changes."""

    partition_id: int
    hearer: ChangeListener


@dataclass(frozen=True, slots=True)
class Fetch:
    """Have a user's partition in memory."""

    partition_id: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Let those that `choose` names go from memory."""

    choose: Callable[[DatabaseState], list[int]]


@dataclass(frozen=True, slots=True)
class Moment:
    """A look at the database between two commits: what is written is what `look` is given, neither more nor less."""

    look: Callable[[DatabaseState], Any]


Work = Edit | KeyReservation | UnseenReservation | Listen | Fetch | Leave | Moment


@dataclass(frozen=True, slots=True)
class Task:
    """Work with the one who waits for it."""

    work: Work
    future: Future[Any]
