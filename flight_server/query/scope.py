"""What a statement may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from storage.names import DEFAULT_NAMESPACE, TableName
from storage.state import DatabaseState


def allow_all(_: TableName) -> None:
    """For callers that have checked already, and for tests."""


@dataclass(frozen=True, slots=True)
class QueryScope:
    """One moment of the database as one caller may see it.

    state:     what tables look like; every name of a statement is read from this one
    namespace: where unqualified names are looked up
    virtual:   system.*, information_schema.*: computed when a statement asks for them, once
    extra:     bare names that hide tables of the namespace (EXCLUDED rows, RETURNING rows, temp tables)
    allow:     raises PermissionDenied; called for each table a statement reaches, also through views
    now_ms:    the moment that retention is measured against; 0 = nothing is too old
    time_zone: for now(), TIMESTAMP WITH TIME ZONE and zone-less literals
    """

    state: DatabaseState
    namespace: str = DEFAULT_NAMESPACE
    virtual: Mapping[TableName, Callable[[], pa.Table]] = field(default_factory=dict)
    extra: Mapping[str, Sequence[pa.RecordBatch] | pa.Table] = field(default_factory=dict)
    allow: Callable[[TableName], None] = allow_all
    now_ms: int = 0
    time_zone: str = "+00:00"
