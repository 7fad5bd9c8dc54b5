"""Session is what the server remembers of one caller between calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Final

import pyarrow as pa

from flight_server.access.principal import Principal
from flight_server.access.sessions.ended_sessions import LostState
from flight_server.access.sessions.open_transactions import OpenTransactions
from storage.catalog.names import DEFAULT_NAMESPACE
from storage.errors import InvalidRequest, LimitExceeded
from storage.shares import Share, Shares
from storage.transactions.temporary_tables import TemporaryTables

_FIELD_BYTES: Final = 200  # of a schema


class SessionLost(InvalidRequest):
    """The server ended the session of this name, and what it held is gone; the caller sets it up again. Told once."""

    sqlstate = "57P05"


@dataclass(frozen=True, slots=True)
class PreparedStatement:
    """A text that was described once. `bound` is replaced by each bind; None when nothing is bound.

    parameters: what the statement asks for, whatever the client was told
    """

    sql: str
    transaction_id: bytes | None
    is_update: bool
    dataset_schema: pa.Schema
    parameters: pa.Schema
    bound: pa.RecordBatch | None = None

    @property
    def bytes(self) -> int:
        """What keeping it costs, about."""
        fields = len(self.dataset_schema) + len(self.parameters)
        bound = 0 if self.bound is None else self.bound.get_total_buffer_size()
        return len(self.sql) + fields * _FIELD_BYTES + bound


@dataclass(slots=True, eq=False)
class Session:
    """One caller's state. Calls of one session may run at the same time: change it under `lock`.

    durability:                "full" (a commit waits for the disk) or "relaxed"
    compression:               of results on their way to the client: "none", "lz4" or "zstd"
    statement_timeout_seconds: 0 means the server's own limit
    transactions:              those open by BEGIN or BeginTransaction
    temporary:                 tables that live as long as the session
    calls:                     running now; a session with calls is not idle
    acting_for:                who logged in, when `principal` is the user of EXECUTE AS
    kept_epoch:                the user's token epoch that this session itself brought about, by a new password
    exact_types:               results come as they were loaded, see metadata/plain.py
    asked_schema:              by the header of its calls, whatever it has set since
    expires_ms:                of the token that names it; 0 = none of ours
    lost:                      what an earlier session of this name held, until it is told
    """

    id: str
    principal: Principal
    namespace: str = DEFAULT_NAMESPACE
    time_zone: str = "+00:00"
    durability: str = "full"
    compression: str = "none"
    exact_types: bool = False
    statement_timeout_seconds: float = 0.0
    transactions: OpenTransactions = field(default_factory=OpenTransactions)
    prepared: dict[bytes, PreparedStatement] = field(default_factory=dict)
    temporary: TemporaryTables = field(default_factory=TemporaryTables)
    lock: threading.RLock = field(default_factory=threading.RLock)
    started_ms: int = 0
    last_used_seconds: float = 0.0
    calls: int = 0
    acting_for: Principal | None = None
    kept_epoch: int | None = None
    asked_schema: str | None = None
    expires_ms: int = 0
    lost: str | None = None
    kept: Share | None = None  # bytes of the prepared statements
    noted_flags: int = -1  # what `held_file` has of it; -1: not known

    def __repr__(self) -> str:
        counts = f"{self.calls} calls, {len(self.prepared)} prepared, {len(self.transactions)} transactions"
        return f"<Session {self.principal.name} [{counts}]>"

    def add_prepared(self, id_: bytes, statement: PreparedStatement, statements_max: int, kept: Shares) -> None:
        """kept: what the statements of all sessions count for. Raises LimitExceeded."""
        with self.lock:
            self.kept = self.kept or Share(kept, self.principal.name)
            if len(self.prepared) >= statements_max:
                raise LimitExceeded(
                    f"the session has {statements_max} prepared statements open, which is the limit; close some"
                )
            self._keep(id_, statement)

    def bind(self, id_: bytes, bound: pa.RecordBatch | None) -> None:
        """Keep parameters for the next run; a closed statement stays closed. Raises LimitExceeded."""
        with self.lock:
            if id_ in self.prepared:
                self._keep(id_, replace(self.prepared[id_], bound=bound))

    def close_prepared(self, id_: bytes) -> None:
        with self.lock:
            self._keep(id_, None)

    def close_all_prepared(self) -> None:
        with self.lock:
            self.prepared.clear()
            if self.kept is not None:
                self.kept.close()

    def _keep(self, id_: bytes, statement: PreparedStatement | None) -> None:
        """In place of what is there. Raises LimitExceeded."""
        before = self.prepared.get(id_)
        if self.kept is not None:
            more = (0 if statement is None else statement.bytes) - (0 if before is None else before.bytes)
            self.kept.hold(self.kept.bytes + more)
        if statement is None:
            self.prepared.pop(id_, None)
        else:
            self.prepared[id_] = statement

    def raise_if_lost(self) -> None:
        """Once. Raises SessionLost."""
        with self.lock:
            lost, self.lost = self.lost, None
        if lost is not None:
            raise SessionLost(lost)

    @property
    def has_settings(self) -> bool:
        """Whether a new session would be another one: prepared statements have handles, which tell of their end."""
        return (
            self.lost is not None
            or len(self.temporary) > 0
            or self.namespace != (self.asked_schema or DEFAULT_NAMESPACE)
            or _settings(self) != _DEFAULTS
        )

    def state(self, why: str) -> LostState:
        """What goes when the server ends it now."""
        in_transaction, ids = self.transactions.held()
        return LostState(why, self.has_settings, in_transaction, ids)


_SETTINGS: Final = ("time_zone", "durability", "compression", "exact_types", "statement_timeout_seconds")
_DEFAULTS: Final = tuple(Session.__dataclass_fields__[name].default for name in _SETTINGS)
_settings: Final = attrgetter(*_SETTINGS)
