"""Fail points name places at which a test makes the process die, or one call fail.

    FROSTLINE_FAILPOINT=flush.before_commit:kill         kill -9 of ourselves when the point is reached
    FROSTLINE_FAILPOINT=flush.before_commit:kill:3       the third time
    FROSTLINE_FAILPOINT=call.do_get:error                raise StorageUnavailable
    FROSTLINE_FAILPOINT=call.do_get:error=Conflict       raise that class of storage.errors
    FROSTLINE_FAILPOINT=call.do_get:error=ValueError     raise that exception of Python, as a bug of ours would

Several are separated by commas. Unarmed, as in every server that serves, a point costs one look at an empty dict.
An unknown name or action stops the start: a test of a point that is not there would test nothing.
"""

from __future__ import annotations

import builtins
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from storage import errors

VARIABLE: Final = "FROSTLINE_FAILPOINT"

POINTS: Final = frozenset(
    {
        # each kind of call (flight_server/flight/service.py, access/middleware.py), and rows on their way out
        "call.handshake",
        "call.list_flights",
        "call.get_flight_info",
        "call.get_schema",
        "call.do_get",
        "call.do_put",
        "call.do_exchange",
        "call.do_action",
        "call.list_actions",
        "call.rows",
        # a cold file on its way to its name, whoever writes it: flush, compaction, bulk load (cold.py, local_files.py)
        "file.before_write",
        "file.mid_write",  # a row group is written, the file's end is not
        "file.before_sync",
        "file.after_sync",
        "file.after_read_back",
        "file.after_link",  # it has two names now
        "file.after_unlink",
        "file.after_folder_sync",
        # who wrote it
        "flush.before_commit",
        "flush.after_commit",
        "compact.after_file",
        "compact.before_commit",
        "compact.after_commit",
        "load.after_file",
        "load.before_release",  # of keys of a load that came to nothing
        "load.after_claim",  # some of its primary keys are entered
        "retention.before_commit",  # of hot rows; cold files are rewritten as a compaction does
        "retention.after_commit",
        "retired.before_remove",
        "rows.before_squeeze",
        "cleanup.after_rows",
        "cleanup.before_remove",
        "cleanup.after_remove",
        "cleanup.after_files",
        "cleanup.before_forget",
        "cleanup.after_forget",
        "sweep.before_remove",
        "sweep.after_remove",
        # a commit, from the writer's thread to the log's sync and back
        "transaction.before_commit",
        "transaction.after_commit",
        "commit.after_catalog_check",
        "commit.before_write",
        "commit.before_publish",
        "log.before_sync",
        "log.after_sync",
        # the ledger of jobs
        "ledger.before_put",
        "ledger.after_put",
        "ledger.after_delete",
        # a backup being taken, and one being restored
        "backup.after_checkpoint",
        "backup.after_file",
        "backup.before_record",
        "backup.after_record",
        "restore.after_file",
        "restore.before_ready",
        "restore.after_ready",
        "restore.before_swap",
        "restore.between_swaps",
        "restore.after_swap",
        # the data directory
        "open.after_recovery",
        "close.before_rows",
        "close.after_rows",
    }
)
"""Every point of what is written, read or answered; tests go through all of them."""

LOOPS: Final = frozenset(
    {
        "loop.committer",
        "loop.calls",
        "loop.housekeeping",
        "loop.live_queries",
        "loop.query_stream",
        "loop.flush_planner",
        "loop.planner",
        "loop.manifest_copies",
        "loop.jobs",
        "loop.job",
    }
)
"""A step of each thread or task that others wait for, see `storage.loops`."""


@dataclass(slots=True)
class _Armed:
    act: Callable[[], None]
    passes_left: int  # times the point is reached before it acts


_armed: dict[str, _Armed] = {}


def reach(name: str) -> None:
    """Here a test may end the process or raise."""
    if _armed:
        _reach_armed(name)


def reach_loop(name: str) -> None:
    """Here a test may make a step of a loop fail. It is no place to be killed at: nothing is written between steps."""
    if _armed:
        _reach_armed(name)


def arm(name: str, act: Callable[[], None], nth: int = 1) -> None:
    """From the `nth` time on that the point is reached, `act` is called there. Raises InvalidRequest."""
    if name not in POINTS | LOOPS:
        raise errors.InvalidRequest(f"there is no fail point '{name}'; there are: {', '.join(sorted(POINTS | LOOPS))}")
    _armed[name] = _Armed(act, nth - 1)


def disarm() -> None:
    """Let every point pass again."""
    _armed.clear()


def arm_from_environment() -> None:
    """Arm what the environment variable names. Raises InvalidRequest."""
    for text in filter(None, os.environ.get(VARIABLE, "").split(",")):
        name, action, *nth = text.split(":")
        arm(name, _action(action), int(nth[0]) if nth else 1)


def _reach_armed(name: str) -> None:
    armed = _armed.get(name)
    if armed is None:
        return
    if armed.passes_left > 0:
        armed.passes_left -= 1
        return
    armed.act()


def _action(text: str) -> Callable[[], None]:
    action, _, kind = text.partition("=")
    if action == "kill":
        return _kill
    if action == "error":
        return _raising(kind or "StorageUnavailable")
    raise errors.InvalidRequest(f"a fail point can't '{action}'; it can kill or error")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raising(kind: str) -> Callable[[], None]:
    """The text names this file, so that a test sees a leak of one."""
    found = getattr(errors, kind, None) or getattr(builtins, kind, None)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise errors.InvalidRequest(f"a fail point can't raise '{kind}': it is no class of storage.errors or of Python")
    text = f"a fail point asked for this {kind}"
    text = text if issubclass(found, errors.FrostlineError) else f"{text} in {__file__}"

    def raise_it() -> None:
        raise found(text)

    return raise_it
