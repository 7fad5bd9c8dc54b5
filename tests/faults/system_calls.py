"""Stop a process at its N-th system call of some kinds, or make that call fail, counted over all of its threads.

The process asks the kernel (seccomp, "user notification") to hold such calls until a supervisor has decided on each:
let it pass, answer it with an error, or kill the process. Nothing in the process knows of it, and other calls cost
nothing. strace counts the calls of each thread by itself: of two threads that sync in turn it would never reach
some calls of the second.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import select
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass
from errno import ENOENT
from typing import Final

SYNCS: Final = ("fsync", "fdatasync")
NAMES: Final = ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat")

_NUMBERS: Final = {
    "x86_64": {
        "fsync": 74, "fdatasync": 75, "rename": 82, "link": 86, "unlink": 87, "unlinkat": 263, "renameat": 264,
        "linkat": 265, "renameat2": 316, "seccomp": 317,
    },
    "aarch64": {
        "unlinkat": 35, "linkat": 37, "renameat": 38, "fsync": 82, "fdatasync": 83, "renameat2": 276,
        "seccomp": 277,
    },
}  # fmt: skip

_NO_NEW_PRIVILEGES: Final = 38
_SET_FILTER, _NEW_LISTENER = 1, 8
_RECEIVE, _SEND, _LET_PASS = 0xC0502100, 0xC0182101, 1
_LOAD_NUMBER, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ASK = 0x7FFF0000, 0x7FC00000
_PATH_BYTES_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class SystemCall:
    """`path`: what it works on, as far as that can be seen."""

    name: str
    path: str


Decide = Callable[[SystemCall], int | None]
"""An errno answers the call, 0 lets it pass, None kills the process before it."""


def hand_over(names: tuple[str, ...]) -> int:
    """From now on those calls of this process, and of all it becomes, wait for who reads the returned descriptor."""
    numbers = _NUMBERS.get(platform.machine())
    if platform.system() != "Linux" or numbers is None:
        raise OSError(f"{platform.system()} on {platform.machine()} is not known")
    wanted = [numbers[name] for name in names if name in numbers]
    steps = [(_LOAD_NUMBER, 0, 0, 0)]
    steps += [(_JUMP_IF_EQUAL, len(wanted) - at, 0, number) for at, number in enumerate(wanted)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ASK)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    described = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(program)))
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl was refused")
    listener: int = kernel.syscall(numbers["seccomp"], _SET_FILTER, _NEW_LISTENER, described)
    if listener < 0:
        raise OSError(ctypes.get_errno(), "seccomp was refused")
    return listener


def supervise(process_id: int, listener: int, decide: Decide, seconds_max: float) -> None:
    """Decide on each call until the process is gone; then close `listener`. Kills one that hangs."""
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    try:
        while True:
            events = ready.poll(seconds_max * 1000)
            if not events or not events[0][1] & select.POLLIN:
                break
            if not _answer_one(process_id, listener, decide):
                break
        if not events:
            os.kill(process_id, signal.SIGKILL)
    finally:
        os.close(listener)


def _answer_one(process_id: int, listener: int, decide: Decide) -> bool:
    request = bytearray(80)
    try:
        fcntl.ioctl(listener, _RECEIVE, request)
        number_of_request, thread, _, number = struct.unpack_from("=QIIi", request)
        error = decide(_described(thread, number, struct.unpack_from("=6Q", request, 32)))
        if error is None:
            os.kill(process_id, signal.SIGKILL)
            return False
        answer = struct.pack("=QqiI", number_of_request, 0, -error, 0 if error else _LET_PASS)
        fcntl.ioctl(listener, _SEND, bytearray(answer))
    except OSError as gone:  # the thread was killed while it waited
        if gone.errno != ENOENT:
            raise
    return True


def _described(thread: int, number: int, arguments: tuple[int, ...]) -> SystemCall:
    (name,) = (name for name, known in _NUMBERS[platform.machine()].items() if known == number)
    if name in SYNCS:
        return SystemCall(name, os.readlink(f"/proc/{thread}/fd/{arguments[0]}"))
    at = arguments[1] if name.endswith(("at", "at2")) else arguments[0]
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(at)
        found = memory.read(min(_PATH_BYTES_MAX, 4096 - at % 4096))  # what lies behind the page may not be there
    return SystemCall(name, found.split(b"\0")[0].decode(errors="replace"))
