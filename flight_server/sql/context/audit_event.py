"""Makes the audit record of what a session did, and writes it where no transaction does."""

from __future__ import annotations

from typing import Final

from flight_server.access.sessions.session import Session
from flight_server.parser.text.redaction import without_secrets
from storage.catalog.audit_record import AuditRecord
from storage.engine import Engine
from storage.state.edits import Edit

DETAIL_CHARACTERS_MAX: Final = 2000


def audit(engine: Engine, record: AuditRecord) -> None:
    """It is on disk on return, before what it tells of goes on. Raises StorageUnavailable."""
    engine.commit(Edit(audit=(record,)))


def event(session: Session, action: str, object_: str, text: str = "") -> AuditRecord:
    """By whoever logged in, for whomever they act."""
    doer, shown = session.principal.name, without_secrets(text)[:DETAIL_CHARACTERS_MAX]
    if session.acting_for is None:
        return AuditRecord(user=doer, action=action, object=object_, detail=shown)
    return AuditRecord(user=session.acting_for.name, as_user=doer, action=action, object=object_, detail=shown)
