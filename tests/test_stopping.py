"""How the process ends when ending in order takes too long: the signal watch alone, in a process that is stuck."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.server_process import REPOSITORY

STUCK = """
import sys, time, trio
from flight_server import log
from flight_server.app import _watch_signals

async def main():
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_watch_signals, stop, float(sys.argv[1]))
        print("watching", flush=True)
        await stop.wait()
        print("stopping", flush=True)
        await trio.to_thread.run_sync(time.sleep, 600)

log.configure()
trio.run(main)
"""


@contextmanager
def stuck_process(seconds_max: float) -> Iterator[subprocess.Popen[str]]:
    """A process that was told to stop and does not come to its end."""
    command = [sys.executable, "-c", STUCK, str(seconds_max)]
    with subprocess.Popen(
        command, cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "watching\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "stopping\n"
            yield process
        finally:
            process.kill()


def test_a_second_signal_ends_it_at_once():
    with stuck_process(seconds_max=600) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 128 + signal.SIGINT


def test_the_time_limit_ends_it_with_code_0_though_a_thread_is_stuck():
    with stuck_process(seconds_max=0.2) as process:
        assert process.wait(20) == 0
