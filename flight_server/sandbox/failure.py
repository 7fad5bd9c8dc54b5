"""A failure is an error on its way out of a sandbox."""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from storage import errors
from storage.errors import FrostlineError


class Failure(msgspec.Struct, frozen=True):
    """kind: name of the error's class in `storage.errors`; "" = unforeseen."""

    kind: str
    message: str
    sqlstate: str


_KINDS: Final = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, FrostlineError)
}


def failure_of(error: BaseException) -> Failure:
    """Inverse of `error_of`, but for what was unforeseen."""
    if isinstance(error, FrostlineError):
        return Failure(type(error).__name__, error.message, error.sqlstate)
    if isinstance(error, MemoryError):
        return Failure("LimitExceeded", "the statement needs more memory than one of its kind may take", "53200")
    return Failure("", f"{type(error).__name__}: {error}"[:2000], FrostlineError.sqlstate)


def error_of(failure: Failure) -> FrostlineError:
    """What to raise. An unforeseen one goes to the log, without what it says to the client."""
    if not failure.kind:
        structlog.get_logger().error("sandboxed_statement_failed", error=failure.message)
        return FrostlineError("the statement failed in its process, for a reason that was not foreseen")
    return _KINDS.get(failure.kind, FrostlineError)(failure.message, sqlstate=failure.sqlstate)
