"""What one step of a job came to. An executor answers with one of these; the manager does the rest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """What a step moved. Figures of a job's steps add up."""

    rows: int = 0
    bytes: int = 0
    files: int = 0

    def __add__(self, other: Figures) -> Figures:
        return Figures(self.rows + other.rows, self.bytes + other.bytes, self.files + other.files)

    def __str__(self) -> str:
        return f"{_counted(self.rows, 'row')} into {_counted(self.files, 'file')}"


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Completed:
    """Done; `message` is for people."""

    message: str
    figures: Figures = Figures()


@dataclass(frozen=True, slots=True)
class Continue:
    """A step is done and there is more to do. Does not count as a failure."""

    figures: Figures = Figures()
    progress: float | None = None  # 0..1, None when unknown


@dataclass(frozen=True, slots=True)
class Skipped:
    """There was nothing to do, and `message` says why."""

    message: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed for now. `after_seconds` overrides the policy's wait."""

    error: str
    after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Failed for good: trying again would not help."""

    error: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Asked to stop, by KILL JOB or by the server's end; nothing is half done."""


Outcome = Completed | Continue | Skipped | Retry | Failed | Stopped
