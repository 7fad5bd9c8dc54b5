"""`run_guarded` runs one step of an executor and makes an outcome of whatever goes wrong in it."""

from __future__ import annotations

import structlog

from jobs.executor import Executor, Step
from jobs.outcome import Completed, Continue, Failed, Outcome, Retry, Skipped, Stopped
from storage.errors import Cancelled, Conflict, FrostlineError, LimitExceeded, NotFound, StorageUnavailable

log = structlog.get_logger("jobs")


def once_more(outcome: Outcome) -> Outcome:
    """A job that was asked for again while it ran is not done yet."""
    return Continue(outcome.figures) if isinstance(outcome, Completed) else outcome


def no_executor(step: Step) -> Outcome:
    return Failed(f"this server can't run jobs of type '{step.record.job_type}'")


def run_guarded(executor: Executor, step: Step) -> Outcome:
    """Run one step; errors become outcomes here and nowhere else."""
    try:
        return executor(step)
    except Cancelled:
        return Stopped()
    except (Conflict, StorageUnavailable, LimitExceeded) as error:
        return Retry(error.message)
    except NotFound as error:
        return Skipped(error.message)
    except FrostlineError as error:
        return Failed(error.message)
    except Exception as error:
        log.exception("job_step_failed", job_id=step.record.job_id)
        return Failed(f"internal error ({type(error).__name__}); the log has the details")
