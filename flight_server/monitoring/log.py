"""The log writes structured events to stderr, for people on a terminal, as JSON lines otherwise.

Rule: what is logged is an event name and keys, never SQL values, rows or secrets. The redaction below is the net
under that rule, not the rule itself.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO, cast

import structlog

_SECRET_KEY: Final = re.compile(r"passw|secret|token|authorization|credential|private_key", re.IGNORECASE)
# Credentials that came in by way of a text: a header value, a URI with a password.
_SECRET_TEXT: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
HIDDEN: Final = "***"
TRACE_FRAMES_MAX: Final = 50


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Send all logging to `stream` (default stderr). Call once, before the first event."""
    out = _Unfailing(sys.stderr if stream is None else stream)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            *_renderers(for_people=out.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", out)),
        cache_logger_on_first_use=False,
    )


class _Unfailing:
    """A stream whose disk may be full: a line that can't be written is lost, and what wanted to log it goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def _renderers(*, for_people: bool) -> list[structlog.typing.Processor]:
    with_frames = structlog.processors.ExceptionRenderer(_trace)
    if for_people:
        return [with_frames, structlog.dev.ConsoleRenderer()]
    return [with_frames, structlog.processors.JSONRenderer(default=str)]


def _trace(exc_info: structlog.typing.ExcInfo) -> str:
    """With a limit of its own: `sys.tracebacklimit` is 0, so that no client ever gets frames; the log wants them."""
    return "".join(traceback.format_exception(*exc_info, limit=TRACE_FRAMES_MAX)).rstrip()


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: values under keys that sound like secrets, and texts that look like them, are hidden."""
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = HIDDEN
        elif isinstance(value, str):
            event[key] = _SECRET_TEXT.sub(HIDDEN, value)
    return event
