"""Run the S3 tests against a service that nobody here wrote: versitygw, S3 over a folder.

    python -m tests.support.s3_service SERVER [arguments for pytest]

SERVER is the program; `make test-s3` builds it from the Go module proxy.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = (
    "tests/storage/test_s3_files.py",
    "tests/storage/test_s3_faults.py",
    "tests/storage/test_s3_credentials.py",
    "tests/faults/test_s3_outage.py",
)
KEYS = ("frostline-tests", "not-a-secret-at-all")
READY_SECONDS_MAX = 30.0


def main(server: str, *arguments: str) -> int:
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "ROOT_ACCESS_KEY": KEYS[0], "ROOT_SECRET_KEY": KEYS[1]}
        command = [server, "--quiet", "--port", f"127.0.0.1:{port}", "posix", folder]
        with subprocess.Popen(command, env=environment, cwd=Path(folder).parent) as process:
            try:
                _wait_for(port, process)
                return _run_tests(port, arguments)
            finally:
                process.terminate()


def _run_tests(port: int, arguments: tuple[str, ...]) -> int:
    told = {"FROSTLINE_TEST_S3": f"http://127.0.0.1:{port}", "FROSTLINE_TEST_S3_KEYS": ":".join(KEYS)}
    command = [sys.executable, "-m", "pytest", *TESTS, *arguments]
    return subprocess.run(command, env={**os.environ, **told}, check=False).returncode


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the S3 service did not start")


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
    return port


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
