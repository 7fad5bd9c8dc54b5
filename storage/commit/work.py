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
    """Begin to tell a listener of a partition's changes."""

    partition_id: int
    listener: ChangeListener


@dataclass(frozen=True, slots=True)
class LoadPartition:
    """Have a user's partition in memory."""

    partition_id: int


@dataclass(frozen=True, slots=True)
class UnloadPartitions:
    """Let those that `choose` names go from memory."""

    choose: Callable[[DatabaseState], list[int]]


@dataclass(frozen=True, slots=True)
class ReadBetweenCommits:
    """A look at the database between two commits: what is written is what `look` is given, neither more nor less."""

    look: Callable[[DatabaseState], Any]


Work = Edit | KeyReservation | UnseenReservation | Listen | LoadPartition | UnloadPartitions | ReadBetweenCommits


@dataclass(frozen=True, slots=True)
class Task:
    """Work with the one who waits for it."""

    work: Work
    future: Future[Any]
