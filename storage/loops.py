"""`forever` and `attempt` keep threads that others wait for alive: a step that fails is logged, and the next one runs.

Rule: no thread of the server ends in silence. Whoever writes one gives its work to `forever` as a step, and says in
`failed` what those are told who waited for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog

PAUSE_SECONDS: Final = 0.05  # after a failure, so that a step that always fails does not burn a processor

_pause = threading.Event()  # never set


def forever(name: str, step: Callable[[], bool], failed: Callable[[BaseException], None] | None = None) -> None:
    """Take `step` until it returns False.

    failed: told what a step raised, whatever it is; what it raises itself is logged, too
    """
    while True:
        try:
            if not step():
                return
        except BaseException as error:
            _let_go_on(error)
            _tell(name, error)
            if failed is not None:
                attempt(name, lambda error=error: failed(error))  # type: ignore[misc]
            _pause.wait(PAUSE_SECONDS)


def attempt(name: str, work: Callable[[], object]) -> bool:
    """Do it, so that what goes wrong keeps nobody from going on. Returns whether it went well."""
    try:
        work()
    except BaseException as error:
        _let_go_on(error)
        _tell(name, error)
        return False
    return True


def _let_go_on(error: BaseException) -> None:
    """A signal that ends the process is met in its main thread, as a KeyboardInterrupt in whatever runs there."""
    if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
        raise error


def _tell(name: str, error: BaseException) -> None:
    structlog.get_logger().error("loop_step_failed", loop=name, exc_info=error)
