"""An outcome says what one step of a job did. An executor answers with one of these; the manager does the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard


@dataclass(frozen=True, slots=True)
class Figures:
    """What a step moved or removed. Figures of a job's steps add up.

    reason:               why these rows, e.g. "ttl"; several are listed
    oldest_ms, newest_ms: the earliest and the latest time of these rows, ms since 1970 UTC
    """

    rows: int = 0
    bytes: int = 0
    files: int = 0
    reason: str = ""
    oldest_ms: int | None = None
    newest_ms: int | None = None

    def __add__(self, other: Figures) -> Figures:
        reasons = [*self.reason.split(", "), *other.reason.split(", ")]
        return Figures(
            rows=self.rows + other.rows,
            bytes=self.bytes + other.bytes,
            files=self.files + other.files,
            reason=", ".join(dict.fromkeys(filter(None, reasons))),
            oldest_ms=min(filter(_is_told, (self.oldest_ms, other.oldest_ms)), default=None),
            newest_ms=max(filter(_is_told, (self.newest_ms, other.newest_ms)), default=None),
        )

    def __str__(self) -> str:
        return f"{_counted(self.rows, 'row')} into {_counted(self.files, 'file')}"


def _is_told(time_ms: int | None) -> TypeGuard[int]:
    return time_ms is not None


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Completed:
    """Done; `message` is for people."""

    message: str
    figures: Figures = Figures()


@dataclass(frozen=True, slots=True)
class Continue:
    """A step is done and there is more to do. Does not count as a failure.

    progress:      0..1, None when unknown
    message:       what is going on, for people; "" = as before
    after_seconds: until when there is nothing to be done
    """

    figures: Figures = Figures()
    progress: float | None = None
    message: str = ""
    after_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was nothing to do, and `message` says why."""

    message: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed for now. `after_seconds` overrides the policy's wait; `figures` are of what was done all the same."""

    error: str
    after_seconds: float | None = None
    figures: Figures = Figures()


@dataclass(frozen=True, slots=True)
class Failed:
    """Failed for good: trying again would not help."""

    error: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Asked to stop, by KILL JOB or by the server's end; nothing is half done."""


Outcome = Completed | Continue | Skipped | Retry | Failed | Stopped
