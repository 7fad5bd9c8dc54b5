"""Request is one text that a session wants run, with all that came beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from flight_server.access.sessions.session import Session


def never() -> bool:
    """Of a request that nothing cancels from outside."""
    return False


@dataclass(frozen=True, slots=True)
class Request:
    """sql: one or several statements.

    transaction_id: the transaction to run in; None = the one that the session is in, if any
    params:         one row, columns in the order of the placeholders; None = no values
    cancelled:      whether the caller went away
    """

    session: Session
    sql: str
    transaction_id: bytes | None = None
    params: pa.RecordBatch | None = None
    cancelled: Callable[[], bool] = never
