"""SystemTable describes a system table; Sources is where its facts come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import pyarrow as pa

from flight_server.access.grants import Action
from flight_server.access.login.hash_queue import HashQueue
from flight_server.access.rights import Rights
from flight_server.access.sessions.session import Session
from flight_server.sql.context.job_service import JobService
from flight_server.sql.context.running_statements import RunningStatements
from flight_server.sql.live.live_queries import LiveQueries
from storage.engine import Engine
from storage.state.state import DatabaseState

MS: Final = pa.timestamp("ms", tz="UTC")
TEXT, BIG, INT, BOOL = pa.string(), pa.int64(), pa.int32(), pa.bool_()


class KeptResults(Protocol):
    """The results that are kept, of so many bytes, and how often one was given and none was there."""

    bytes: int
    hits: int
    misses: int

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the facts come from. `settings`: dotted key -> value, without secrets; `logins`: those under way;
    `results`: those that are kept."""

    engine: Engine
    jobs: JobService
    statements: RunningStatements
    live: LiveQueries
    sessions: Iterable[Session]
    settings: Mapping[str, object]
    logins: HashQueue
    results: KeptResults


Rows = Callable[[Sources, DatabaseState, Rights], Iterable[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class SystemTable:
    """One table of `system`.

    rows: its rows, values in the order of `schema`, for a caller; the state has the catalog as the caller may know it
    action: for whom the table exists at all; None = everybody. Of all others each caller sees the rows that are theirs
    """

    name: str
    schema: pa.Schema
    rows: Rows
    action: Action | None = None


def columns(**fields: pa.DataType) -> pa.Schema:
    return pa.schema(list(fields.items()))


def may_know(who: Rights, user: str) -> bool:
    """Whether what one user does and has is the caller's business."""
    return user == who.principal.name or who.may_do(Action.SEE_OTHERS)
