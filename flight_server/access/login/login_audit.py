"""LoginAudit writes failed log-ins to the audit log, at a bounded rate.

A name that no user has is not written down: people type their password into the wrong field.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

from storage.catalog.audit_record import AuditRecord
from storage.clock import Clock
from storage.errors import FrostlineError

BURST_MAX: Final = 60
PER_SECOND: Final = 1.0


class LoginAudit:
    """Safe from any thread. `write` puts a record into the audit log."""

    def __init__(self, write: Callable[[AuditRecord], None], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._lock = threading.Lock()
        self._left = float(BURST_MAX)
        self._filled_seconds = clock.monotonic_seconds()
        self._untold = 0

    def failed(self, user: str | None, why: str) -> None:
        """One log-in failed. `user`: None when there is no such user. Never raises for what the disk does."""
        untold = self._take()
        if untold is None:
            return
        more = f"; {untold} more before it are not listed" if untold else ""
        try:
            self._write(AuditRecord(user=user or "", action="LOGIN FAILED", detail=why + more))
        except FrostlineError as error:
            structlog.get_logger("access").warning("audit_record_lost", reason=error.message)

    def _take(self) -> int | None:
        """How many were passed over since the last record; None: pass over this one as well."""
        with self._lock:
            now = self._clock.monotonic_seconds()
            self._left = min(BURST_MAX, self._left + (now - self._filled_seconds) * PER_SECOND)
            self._filled_seconds = now
            if self._left < 1:
                self._untold += 1
                return None
            self._left -= 1
            untold, self._untold = self._untold, 0
            return untold
