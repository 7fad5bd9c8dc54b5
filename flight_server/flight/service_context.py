"""ServiceContext is what all handlers of the service share, gathered once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from flight_server.access.sessions.session import PreparedStatement, Session
from flight_server.access.sessions.sessions import Sessions
from flight_server.access.settings import AccessSettings
from flight_server.calls.running_calls import RunningCall
from flight_server.flight.pending_results import PendingResults
from flight_server.flight.settings import WireSettings
from flight_server.metadata.columns import described_rows
from flight_server.metadata.objects import Objects
from flight_server.metadata.plain import plain_schema
from flight_server.metadata.sql_info import ServerFacts
from flight_server.sql.interface.request import Request
from flight_server.sql.interface.statements import Statements
from flight_server.wire.handles import HandleKind, HandleSigner, unknown_handle
from storage.clock import Clock
from storage.shares import Shares

_PREPARED_SECONDS = 366 * 86_400.0  # a prepared statement ends with its session; this only bounds the handle


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """The rooms behind the service, and the limits."""

    statements: Statements
    sessions: Sessions
    results: PendingResults
    signer: HandleSigner
    facts: ServerFacts
    access: AccessSettings
    wire: WireSettings
    log: Any
    clock: Clock
    uploads: Shares  # bytes of rows that come in
    upload_idle_seconds: float
    prepared_bytes: Shares  # of prepared statements, with what is bound to them

    def sent(self, session: Session, schema: pa.Schema) -> pa.Schema:
        """The columns of a result as this session wants them."""
        return described_rows(_as_wanted(session, schema))

    def objects(self, session: Session) -> Objects:
        """What exists, as this session may see it."""
        return Objects(
            self.statements.catalog(session),
            self.statements.system_schemas(session),
            lambda name: self.statements.schema_of(session, name),
            lambda schema: _as_wanted(session, schema),
        )

    def keep_prepared(self, session: Session, statement: PreparedStatement) -> bytes:
        """The handle of a new prepared statement. Raises LimitExceeded."""
        handle, id_ = self.signer.issue(HandleKind.PREPARED, session.id, _PREPARED_SECONDS)
        session.add_prepared(id_, statement, self.access.prepared_statements_max, self.prepared_bytes)
        return handle

    def prepared_id(self, session: Session, handle: bytes) -> bytes:
        """Raises NotFound for a handle that is not this session's."""
        return self.signer.open(HandleKind.PREPARED, session.id, handle)

    def prepared(self, session: Session, handle: bytes) -> PreparedStatement:
        """Raises NotFound; SessionLost when it went with a session that the server ended."""
        found = session.prepared.get(self.prepared_id(session, handle))
        if found is None:
            session.raise_if_lost()
            raise unknown_handle(HandleKind.PREPARED)
        return found


def _as_wanted(session: Session, schema: pa.Schema) -> pa.Schema:
    return schema if session.exact_types else plain_schema(schema, session.time_zone)


def asked(call: RunningCall, sql: str, transaction_id: bytes | None, params: pa.RecordBatch | None = None) -> Request:
    """What a call asks of the statements: in its session, for as long as its client is there."""
    return Request(call.session, sql, transaction_id, params, call.is_cancelled)
