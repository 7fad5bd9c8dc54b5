"""The fork server has everything imported and does nothing but fork: a child for each statement that must run apart.

Starting an interpreter takes a second, a fork 20 ms. It stays with one thread, as only such a process can be forked
safely, and gets its orders over the socket that is its standard input: each is the end of a statement's own socket.
When the server is gone, it ends, and with it each child.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

from flight_server.sandbox.statement import serve

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Until the server closes its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child: the kernel is to forget it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the server decides
    orders = socket.socket(fileno=os.dup(0))
    while True:
        data, handles, _, _ = socket.recv_fds(orders, 1, 1)
        if not data:
            return
        for handle in handles:
            if os.fork() == 0:
                orders.close()
                os.close(0)
                _run(handle)
            os.close(handle)


def _run(handle: int) -> None:
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        serve(socket.socket(fileno=handle))
    finally:
        os._exit(0)  # no atexit of the parent's, no flush


if __name__ == "__main__":
    main()
    sys.exit(0)
