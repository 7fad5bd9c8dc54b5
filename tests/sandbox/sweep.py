"""Runs hostile statements one after the other against a query engine in a process that may die.

    python -m tests.sandbox.sweep [--seconds 3] [--each 1] [--table docs/function-bounds.md]

The worker reads statements from its input, a JSON line each, and writes what became of them.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog

from flight_server.query.engine import QueryEngine
from flight_server.query.scan.scope import QueryScope
from flight_server.query.sessions.settings import QuerySettings
from flight_server.sandbox.sandbox import ProcessSandbox
from storage.cold.file_store import only_local
from storage.cold.local_store import LocalStore
from storage.errors import Cancelled, FrostlineError
from storage.state.state import DatabaseState
from tests.sandbox.hostile import Hostile, big, engine_functions, hostile_calls, hostile_shapes, hostile_types
from tests.support.server_process import REPOSITORY

HANGS_AFTER_SECONDS: Final = 60.0
SANDBOX_BYTES: Final = 512 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement came to.

    ended:  "rows", an SQLSTATE, "stopped" (at the deadline), "ABORT" (the process died), "HUNG"
    apart:  whether it ran in a process of its own
    late_seconds: how long after the deadline it ended; 0 = before
    grown_bytes: by how much the engine's own process grew at most
    """

    name: str
    what: str
    sql: str
    ended: str
    apart: bool
    late_seconds: float
    grown_bytes: int

    @property
    def is_wrong(self) -> bool:
        """On any machine, however slow."""
        return self.ended in ("ABORT", "HUNG", "XX000") or self.grown_bytes > 2 << 30

    @property
    def is_fault(self) -> bool:
        return self.is_wrong or self.late_seconds > 2


def statements(each: int) -> Iterator[Hostile]:
    """All of them, or every `each`th call."""
    yield from hostile_shapes()
    yield from hostile_types()
    for name in engine_functions():
        for number, call in enumerate(hostile_calls(name)):
            if number % each == 0:
                yield call


def sweep(asked: Iterable[Hostile], seconds: float) -> Iterator[Outcome]:
    """seconds: the deadline of each"""
    worker = _worker(seconds)
    try:
        for one in asked:
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write((json.dumps(asdict(one)) + "\n").encode())
            worker.stdin.flush()
            if not select.select([worker.stdout], [], [], seconds + HANGS_AFTER_SECONDS)[0]:
                ended = "HUNG"
            else:
                line = worker.stdout.readline()
                if line:
                    yield Outcome(**json.loads(line))
                    continue
                ended = "ABORT"
            yield Outcome(one.name, one.what, one.sql, ended, False, 0.0, 0)
            _end(worker)
            worker = _worker(seconds)
    finally:
        _end(worker)


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()


def _worker(seconds: float) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.sandbox.sweep", "--worker", "--seconds", str(seconds)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=REPOSITORY,
    )


def _serve(seconds: float) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # answers go to standard output
    with tempfile.TemporaryDirectory() as directory:
        cold = Path(directory) / "cold"
        cold.mkdir()
        places = only_local(LocalStore(cold))
        settings = QuerySettings(memory_bytes_max=512 << 20, sandbox_bytes_max=SANDBOX_BYTES)
        spill = Path(directory) / "spill"
        engine = QueryEngine(settings, spill, places, sandbox=ProcessSandbox(settings, spill, places))
        scope = QueryScope(state=DatabaseState(), extra={"big": big()})
        engine.collect(engine.plan("SELECT repeat('a', k) FROM big", scope), lambda: False)  # the first one starts more
        for line in sys.stdin:
            print(json.dumps(asdict(_outcome(engine, scope, Hostile(**json.loads(line)), seconds))), flush=True)


def _outcome(engine: QueryEngine, scope: QueryScope, one: Hostile, seconds: float) -> Outcome:
    before = _resident_peak(reset=True)
    begun = time.monotonic()
    apart = False
    try:
        plan = engine.plan(one.sql, scope)
        apart = plan.bounds.apart is not None
        for _ in engine.stream(plan, lambda: time.monotonic() - begun > seconds):
            pass
        ended = "rows"
    except Cancelled:
        ended = "stopped"
    except FrostlineError as error:
        ended = error.sqlstate
    late = max(0.0, time.monotonic() - begun - seconds)
    return Outcome(one.name, one.what, one.sql, ended, apart, round(late, 2), _resident_peak() - before)


def _resident_peak(*, reset: bool = False) -> int:
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def page(outcomes: Sequence[Outcome], seconds: float) -> str:
    """What was found, faults first."""
    faults = [one for one in outcomes if one.is_fault]
    apart = sum(one.apart for one in outcomes)
    head = f"""# Function bounds
Each function and type of the engine, and shapes of statements that grow, with huge, negative and computed numbers and
long values: {len(outcomes):,} statements with DataFusion {version("datafusion")}, one after the other, each with a
deadline of {seconds:g} s. Written by `python -m tests.sandbox.sweep --table docs/function-bounds.md`.

- {len(faults)} at fault: the process died or hung, an error of ours (XX000), over 2 s after the deadline, or over 2 GiB
  grown.
- {apart:,} ran in a process of their own, with {SANDBOX_BYTES >> 20} MiB each; see [operating](operating.md).

"Ended": `rows`, an SQLSTATE, or `stopped` at the deadline. "Latest": how long after the deadline the last one ended.
"Grew": the server's own process, at most.
"""
    listed = "".join(f"- `{one.sql}`: {one.ended}, {one.late_seconds} s late\n" for one in faults)
    return f"{head}\n{listed}\n{table(outcomes)}\n"


def table(outcomes: Iterable[Outcome]) -> str:
    """A row for each function, type and shape."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.name].append(outcome)
    lines = ["| what | statements | apart | ended | latest | grew |", "| --- | --- | --- | --- | --- | --- |"]
    for name, group in sorted(found.items()):
        ends = ", ".join(f"{ended} {count}" for ended, count in sorted(Counter(one.ended for one in group).items()))
        late = max(one.late_seconds for one in group)
        grown = max(one.grown_bytes for one in group) >> 20
        apart = sum(one.apart for one in group)
        lines.append(f"| `{name}` | {len(group)} | {apart} | {ends} | {late:.1f} s | {grown} MiB |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--each", type=int, default=1)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    if arguments.worker:
        _serve(arguments.seconds)
        return
    asked = (one for one in statements(arguments.each) if one.name.startswith(arguments.only))
    outcomes = []
    for outcome in sweep(asked, arguments.seconds):
        outcomes.append(outcome)
        if outcome.is_fault:
            print(outcome, flush=True)
    print(f"{len(outcomes)} statements, {sum(one.is_fault for one in outcomes)} at fault")
    if arguments.table:
        arguments.table.write_text(page(outcomes, arguments.seconds))


if __name__ == "__main__":
    main()
