"""AuditRecord describes one event of the audit log."""

from __future__ import annotations

import msgspec


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One event.

    user:    who did it, by the name they logged in with (or tried to)
    as_user: whose rights were used instead (EXECUTE AS); "" = their own
    action:  "CREATE TABLE", "GRANT", "LOGIN FAILED", ..
    object:  what it was done to
    detail:  the statement without secrets, or why it failed
    at_ms:   given when it is written
    """

    user: str
    action: str
    object: str = ""
    detail: str = ""
    as_user: str = ""
    at_ms: int = 0
