"""Engine failures are recognised: panics in Rust, internal errors of its functions and of its planner, full memory.

What a client sends can cause all of them, so the client gets an error of its own request, never "internal error"; the
operator finds the engine's words in the log, without the caller's among them. A panic says nothing about whose fault
it is ("attempt to multiply with overflow"), so its words are not looked at.
"""

from __future__ import annotations

import re
from typing import Any, Final

import pyarrow as pa
import structlog

from flight_server.query.errors.messages import CUT, starts, unquoted
from storage.errors import FrostlineError, InvalidRequest, LimitExceeded, NotSupported

_LOGGED_CHARS_MAX: Final = 600
_PANIC: Final = re.compile(r"(?:task \d+ panicked|panicked at|Join Error)", re.IGNORECASE)
_INTERNAL: Final = re.compile(
    r"Internal error: (?!Function '\w+' failed to match|Unavailable default cast|failed to call|No suitable object)",
    re.IGNORECASE,
)
# Internal errors of planning, which speak of the plan; those of functions speak of arrays and numbers.
_OF_PLANS: Final = re.compile(
    r"Optimizer rule '(?!simplify_expressions)|Analyzer rule|invariants|type_coercion|\bplan\b|schema|LogicalPlan"
    r"|Exec\b",
    re.IGNORECASE,
)
_FUNCTION: Final = re.compile(r"(?:Function '|)([a-z]\w*)(?:'|: | (?:function|expects|requires))")
_log: Any = structlog.get_logger("query")


def engine_failure(error: BaseException, message: str) -> FrostlineError | None:
    """The client's error if the engine itself failed, which is logged; None if it only refused."""
    if isinstance(error, MemoryError):  # Arrow's, too
        return LimitExceeded("the statement needs more memory than there is; select fewer rows", sqlstate="53200")
    if isinstance(error, pa.ArrowCapacityError):
        return LimitExceeded("a value of the statement would be larger than 2 GB; make it smaller", sqlstate="54000")
    is_panic = "Panic" in type(error).__name__ or _opens(_PANIC, message) is not None
    at = _opens(_INTERNAL, message)
    if not is_panic and at is None:
        return None
    own = re.sub(f"{CUT}+", "..", unquoted(message)).split("\nThis issue was", 1)[0]
    _log.warning("engine_failed", panic=is_panic, words=own[:_LOGGED_CHARS_MAX])
    if not is_panic and _OF_PLANS.search(own):
        return NotSupported("the query engine can't run this statement as it is written; write it another way")
    return _refused_arguments(None if is_panic or at is None else _FUNCTION.match(message, at))


def _opens(pattern: re.Pattern[str], message: str) -> int | None:
    """The end of the first match where the engine begins to speak."""
    found = next(filter(None, (pattern.match(message, at) for at in starts(message))), None)
    return None if found is None else found.end()


def _refused_arguments(function: re.Match[str] | None) -> InvalidRequest:
    named = "a function of the statement" if function is None else f"function '{function[1]}'"
    return InvalidRequest(f"{named} can't take these arguments; give it others, or cast them")
