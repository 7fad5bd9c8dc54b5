"""A server under test in a process of its own: prints its address and serves until stdin closes."""

from __future__ import annotations

import sys

from tests.wire.conftest import start

if __name__ == "__main__":
    running = start()
    print(running.uri, flush=True)
    sys.stdin.read()
    running.service.shut_down(0)
