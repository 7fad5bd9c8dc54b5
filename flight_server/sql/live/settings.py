"""LiveSettings says how many live queries there may be, and what each may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """Limits of live queries. They are counted apart from calls and from running statements.

    subscriptions_max:          at the same time; each holds a thread and a connection's stream
    subscriptions_per_user_max: of them, of one user
    queue_bytes_max:            of changes that wait for one reader; at more its live query ends
    backlog_bytes_max:          of commits of one table that wait to be evaluated; at more its live queries end
    batch_rows:                 in one message, when the statement does not say (batch_size)
    progress_seconds:           between two progress rows
    """

    subscriptions_max: Annotated[int, Meta(ge=1)] = 2000
    subscriptions_per_user_max: Annotated[int, Meta(ge=1)] = 1000
    queue_bytes_max: Annotated[int, Meta(ge=1)] = 8 << 20
    backlog_bytes_max: Annotated[int, Meta(ge=1)] = 64 << 20
    batch_rows: Annotated[int, Meta(ge=1)] = 8192
    progress_seconds: Annotated[float, Meta(gt=0)] = 10.0
