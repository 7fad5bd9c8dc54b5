"""FrostlineError and its kinds, by who must act.

Every error that leaves this project is a `FrostlineError`. Each kind carries a five-character SQLSTATE
(ISO/IEC 9075, with PostgreSQL's classes where the standard has none) so that a client can branch on it
without reading the sentence. The sentence names the thing, says what is wrong and what to do; it never
holds a path, a secret or a traceback.
"""

from __future__ import annotations

from typing import Final

TOO_MANY: Final = "53300"  # LimitExceeded where others must end first: sessions, calls, statements
DISK_FULL: Final = "53100"  # StorageUnavailable for want of room: it goes by itself once there is some


class FrostlineError(Exception):
    """Base of all errors; `sqlstate` may be narrowed by the raiser."""

    sqlstate = "XX000"

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if sqlstate is not None:
            self.sqlstate = sqlstate


class InvalidRequest(FrostlineError):
    """The request itself is wrong; the caller must change it. Nothing was stored."""

    sqlstate = "22023"


class NotFound(FrostlineError):
    """The named thing does not exist (or the caller may not know of it)."""

    sqlstate = "42P01"


class AlreadyExists(FrostlineError):
    """The name is taken; choose another, or use IF NOT EXISTS / OR REPLACE."""

    sqlstate = "42P07"


class ConstraintViolated(InvalidRequest):
    """A row breaks NOT NULL or the primary key; no row of the statement was stored."""

    sqlstate = "23505"


class Conflict(FrostlineError):
    """Another commit changed the same rows first; run the statement or transaction again."""

    sqlstate = "40001"


class NotSupported(FrostlineError):
    """The request is understood and refused for good."""

    sqlstate = "0A000"


class PermissionDenied(FrostlineError):
    """The caller is known and may not do this."""

    sqlstate = "42501"


class Unauthenticated(FrostlineError):
    """Who the caller is could not be established."""

    sqlstate = "28000"


class LimitExceeded(FrostlineError):
    """A limit from the settings was reached; wait or send less."""

    sqlstate = "53400"


class Cancelled(FrostlineError):
    """The caller, an operator or a timeout ended the work. Nothing was stored."""

    sqlstate = "57014"


class StorageUnavailable(FrostlineError):
    """The disk refused. A write that raised this may or may not be there after a restart."""

    sqlstate = "58030"


class ClockRefused(StorageUnavailable):
    """The machine's clock, or the newest number, is beyond what a commit may have. Nothing was stored."""

    sqlstate = "58000"


class Corruption(FrostlineError):
    """Stored bytes are not what was written; the operator must restore them. Never skipped."""

    sqlstate = "XX001"
