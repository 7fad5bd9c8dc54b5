"""Maps our errors to Flight errors: `[SQLSTATE] sentence`, the right status, never a traceback or a path.

What pyarrow's Flight server can send, found by trying every exception with pyarrow and ADBC clients:

- Flight*Error raised in a handler: `text. Detail: Internal`, with `extra_info`. That must be a google.rpc.Status
  of the very same code (gRPC for Go turns anything else into INTERNAL "mismatch"); ours holds the SQLSTATE, and
  Go clients then show its text, which has no "Detail".
- INVALID_ARGUMENT, NOT_FOUND and UNIMPLEMENTED exist only by way of ValueError, KeyError and NotImplementedError,
  whose text pyarrow sends twice: as the message, and in a traceback behind ". Detail: Python exception:".
  The classes below give the traceback neither text nor name, and `hide_tracebacks` leaves out the frames, so that
  the client reads `[42P01] sentence. Detail: Python exception: `, which is all that can be left out.
- Go clients (ADBC) prefer the text in the trailer "grpc-status-details-bin", where it has no "Detail" either, so
  they are sent one (`send_details`). The C++ client would make FlightInternalError of it, so it is not.
- ALREADY_EXISTS, ABORTED, RESOURCE_EXHAUSTED and DATA_LOSS can't be sent: the nearest is.
- GetSchema, and streams with dictionaries (see `streams`), turn every Flight*Error into UNKNOWN, with frames:
  there (`plain=True`) all other kinds go out as an exception of ours, status UNKNOWN, clean text.
"""

from __future__ import annotations

import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeGuard

import structlog
from pyarrow import flight

from flight_server.wire.answers import encode_error_details
from storage import errors

DETAILS_TRAILER: Final = "grpc-status-details-bin"
_FRAMES_LOGGED_MAX: Final = 50
_TEXT_BYTES_MAX: Final = 1024
_STOPPING: Final = "57"  # SQLSTATE class 57: an operator asked for it
_LIMIT_OF_TEXT: Final = "54"  # SQLSTATE class 54: the request itself is too much, trying again is no use

_log: Any = structlog.get_logger("flight")


class StatementTimedOut(errors.Cancelled):
    """The statement ran longer than its session allows. Nothing was stored."""


def hide_tracebacks() -> None:
    """For the whole process: pyarrow formats exceptions for clients with the limit set here.

    The log is not concerned: it asks for its own number of frames.
    """
    sys.tracebacklimit = 0


@contextmanager
def flight_errors(
    log: Any = _log, *, plain: bool = False, send_details: Callable[[bytes], None] | None = None
) -> Iterator[None]:
    """Around every handler and every stream: nothing but a Flight answer leaves the block.

    plain:        the place can't send Flight*Error (GetSchema, RecordBatchStream)
    send_details: puts `DETAILS_TRAILER` on the answer, for clients that read it
    """
    try:
        yield
    except GeneratorExit:
        raise
    except BaseException as error:
        answer = as_flight_error(error, log, plain=plain)
        if send_details is not None and isinstance(answer, _Said):
            send_details(answer.details)
        # Frames hold what the call held, its rows above all. They are let go of here, and no frame may name the
        # exception that it is a frame of: such a ring is only freed when Python next looks for rings.
        error.__traceback__ = None
        try:
            raise answer from None
        finally:
            del answer


def as_flight_error(error: BaseException, log: Any = _log, *, plain: bool = False) -> Exception:
    """The exception to raise in a Flight handler instead of `error`.

    Unexpected ones are logged under an id; of those that the client can't mend, the operator is told as well.
    """
    if _is_answer(error):
        return error
    known = error if isinstance(error, errors.FrostlineError) else unexpected(error, log)
    if isinstance(error, errors.Corruption | errors.StorageUnavailable) and not known.sqlstate.startswith(_STOPPING):
        log.error("call_failed", kind=type(known).__name__, sqlstate=known.sqlstate, reason=known.message)
    text = _short(f"[{known.sqlstate}] {known.message}")
    answer = _answer(known)
    if plain and not issubclass(answer, _Said):
        answer = _Plain
    details = encode_error_details(_GRPC_CODES.get(answer, _UNKNOWN), text, known.sqlstate)
    return answer(text, details)


def _is_answer(error: BaseException) -> TypeGuard[Exception]:
    """Whether `error` was made here: pyarrow's own Flight errors may say anything, and carry no details."""
    return isinstance(error, _Said) or (isinstance(error, flight.FlightError) and bool(error.extra_info))


def _short(text: str) -> str:
    """Errors travel in headers, several times over, and clients refuse headers of more than 8 KB."""
    data = text.encode(errors="replace")
    if len(data) <= _TEXT_BYTES_MAX:
        return data.decode()
    return data[: _TEXT_BYTES_MAX - 2].decode(errors="ignore") + ".."


def _answer(error: errors.FrostlineError) -> type[Exception]:
    if isinstance(error, errors.LimitExceeded) and error.sqlstate.startswith(_LIMIT_OF_TEXT):
        return _InvalidRequest
    return next((answer for kind, answer in _ANSWERS if isinstance(error, kind)), flight.FlightInternalError)


def unexpected(error: BaseException, log: Any = _log) -> errors.FrostlineError:
    """Log what nobody foresaw, whole; the client gets only the id to quote."""
    reference = secrets.token_hex(6)
    frames = traceback.format_exception(error, limit=-_FRAMES_LOGGED_MAX)
    log.error("internal_error", reference=reference, error=repr(error), frames="".join(frames))
    return errors.FrostlineError(f"internal error, reference {reference}; the server's log has the details")


class _Said(Exception):
    """An exception whose text is for everyone but the `traceback` module, which would say it a second time."""

    def __init__(self, text: str, details: bytes) -> None:
        super().__init__(text)
        self._text = text
        self.details = details

    def __str__(self) -> str:
        asking = sys._getframe().f_back  # None when it is pyarrow's C++
        return "" if asking is not None and asking.f_globals.get("__name__") == "traceback" else self._text


class _InvalidRequest(_Said, ValueError):
    pass


class _NotFound(_Said, KeyError):
    pass


class _NotSupported(_Said, NotImplementedError):
    pass


class _Plain(_Said):
    """Of no kind that can be told."""


for _class in (_InvalidRequest, _NotFound, _NotSupported, _Plain):
    _class.__qualname__ = ""  # users need not know what it is called here
    _class.__module__ = "builtins"

_UNKNOWN: Final = 2
_GRPC_CODES: Final[dict[type[Exception], int]] = {
    flight.FlightCancelledError: 1,
    flight.FlightServerError: _UNKNOWN,
    _InvalidRequest: 3,
    flight.FlightTimedOutError: 4,
    _NotFound: 5,
    flight.FlightUnauthorizedError: 7,
    _NotSupported: 12,
    flight.FlightInternalError: 13,
    flight.FlightUnavailableError: 14,
    flight.FlightUnauthenticatedError: 16,
}
# The first kind that fits wins, so narrower kinds stand above wider ones.
_ANSWERS: Final[tuple[tuple[type[errors.FrostlineError], type[Exception]], ...]] = (
    (errors.InvalidRequest, _InvalidRequest),
    (errors.AlreadyExists, _InvalidRequest),
    (errors.NotFound, _NotFound),
    (errors.NotSupported, _NotSupported),
    (errors.PermissionDenied, flight.FlightUnauthorizedError),
    (errors.Unauthenticated, flight.FlightUnauthenticatedError),
    (StatementTimedOut, flight.FlightTimedOutError),
    (errors.Cancelled, flight.FlightCancelledError),
    (errors.LimitExceeded, flight.FlightUnavailableError),
    (errors.StorageUnavailable, flight.FlightUnavailableError),
    (errors.Conflict, flight.FlightServerError),  # UNKNOWN: ABORTED can't be sent
    (errors.Corruption, flight.FlightInternalError),
)
