"""The composition root: the one place that knows every room, and the life of the process from open to exit.

Start, each step only after the one before it:
  1. open       take the data directory, recover what it holds
  2. side port  /healthz answers, /readyz says no
  3. jobs       what a crash left is taken up again, the planners begin
  4. port       the Flight server is built last: pyarrow answers as soon as the object exists
  5. ready      the line on stdout

Stop, on SIGTERM or SIGINT, within `server.shutdown_seconds_max` (shares of it below):
  1. drain   new calls are refused, /readyz says no; running calls get their time, then they are cancelled
  2. flush   what `jobs.flush_at_shutdown` asks for; then running jobs end at their next step
  3. close   storage; exit code 0
A second signal, or a thread that does not come back in time, ends the process at once: what was acknowledged is on
disk at any moment, so nothing is lost by it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Final

import structlog
import trio

from flight_server.allocators import give_back_memory
from flight_server.flight.listen_address import AddressUnavailable, check_exposure, check_free
from flight_server.flight.settings import ServerSettings
from flight_server.monitoring.health import Health, serve_health
from flight_server.open_server import FrontSettings, OpenServer, open_server
from jobs.client import JobClient
from jobs.executors.registry import executors_of
from jobs.ledger import Ledger
from jobs.manager import JobManager
from jobs.planning.schedule import Schedule
from jobs.settings import JobSettings
from storage.clock import DAY_MS, Clock, SystemClock
from storage.engine import Engine
from storage.errors import FrostlineError
from storage.failpoints import arm_from_environment
from storage.settings import StorageSettings

ROOT_PASSWORD_VARIABLE: Final = "FROSTLINE_ROOT_PASSWORD"  # noqa: S105  (its name, not one)

# Shares of `shutdown_seconds_max`; what is left over is for closing.
DRAIN_SHARE: Final = 0.5
FLUSH_SHARE: Final = 0.3

GIVE_BACK_SECONDS: Final = 60.0  # between two times that unused memory goes back to the system

log = structlog.get_logger("server")


@dataclass(frozen=True, slots=True)
class Settings(FrontSettings):
    """The whole settings file: one field a section."""

    storage: StorageSettings = StorageSettings()
    jobs: JobSettings = JobSettings()


def serve(settings: Settings, clock: Clock | None = None) -> int:
    """Serve until stopped; returns the exit code.

    Raises: a FrostlineError when the server can't start. Prints the ready line and, once, a generated password.
    """
    arm_from_environment()
    try:
        trio.run(_main, settings, clock or SystemClock())
    except BaseExceptionGroup as group:
        raise _first_own(group) from None
    return 0


def _first_own(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that says most: one of ours when there is one."""
    own = group.subgroup(FrostlineError)
    found: BaseException = own or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def _main(settings: Settings, clock: Clock) -> None:
    check_exposure(settings.server, settings.access)
    stop = trio.Event()
    async with trio.open_nursery() as background:
        await background.start(_watch_signals, stop, settings.server.shutdown_seconds_max)
        async with _opened(settings, clock) as engine:
            health = Health(storage=lambda: engine.health, mends_itself=lambda: engine.row_store.is_full)
            http_port = await _start_health(background, health, settings.server)
            background.start_soon(_give_back_memory)
            check_free(settings.server.host, settings.server.port)
            grace_ms = settings.access.dropped_user_days * DAY_MS
            async with _jobs(engine, settings.jobs, grace_ms) as (manager, schedule):
                door = JobClient(engine, manager)
                server = await trio.to_thread.run_sync(open_server, engine, door, settings, clock, _root_password())
                health.metrics, health.jobs = server.metrics.page, lambda: manager.health
                if not stop.is_set():
                    _announce(server, health, http_port)
                await stop.wait()
                health.serving = False
                await trio.to_thread.run_sync(server.close, settings.server.shutdown_seconds_max * DRAIN_SHARE)
                await _flush(manager, schedule, settings)
        log.info("stopped")
        background.cancel_scope.cancel()


@asynccontextmanager
async def _opened(settings: Settings, clock: Clock) -> AsyncIterator[Engine]:
    """Not abandoned when a signal comes: opening holds the directory's lock."""
    directory = Path(settings.server.data)
    started_seconds = clock.monotonic_seconds()
    engine = await trio.to_thread.run_sync(Engine.open, directory, settings.storage, clock)
    try:
        opened_seconds = round(clock.monotonic_seconds() - started_seconds, 3)
        log.info("storage_opened", tables=len(engine.state.catalog.tables), seconds=opened_seconds)
        yield engine
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(engine.close)


@asynccontextmanager
async def _jobs(
    engine: Engine, settings: JobSettings, user_grace_ms: int
) -> AsyncIterator[tuple[JobManager, Schedule]]:
    """Workers and planners at work; on the way out running jobs have come to their next step."""
    ledger = Ledger(engine.job_records)
    manager = JobManager(
        ledger=ledger,
        executors=executors_of(engine, ledger, settings, user_grace_ms),
        settings=settings,
        clock=engine.clock,
        new_id=engine.new_id,
        random=SystemRandom(),
    )
    schedule = Schedule(engine, manager, settings, user_grace_ms)
    async with trio.open_nursery() as nursery:
        await nursery.start(manager.run)
        nursery.start_soon(schedule.run)
        try:
            yield manager, schedule
        finally:
            manager.stop()
            nursery.cancel_scope.cancel()


async def _start_health(background: trio.Nursery, health: Health, server: ServerSettings) -> int:
    try:
        port: int = await background.start(serve_health, health, server.http_host, server.http_port)
    except OSError as error:
        raise AddressUnavailable(
            f"can't listen on {server.http_host}:{server.http_port} for health pages ({error.strerror}); "
            "set server.http_port or --http-port"
        ) from error
    return port


async def _give_back_memory() -> None:
    while True:
        await trio.sleep(GIVE_BACK_SECONDS)
        await trio.to_thread.run_sync(give_back_memory)


def _announce(server: OpenServer, health: Health, http_port: int) -> None:
    """The only thing that is ever printed to stdout, when calls are answered and not before."""
    if server.generated_root_password is not None:
        print(f"password of user root (shown only this once): {server.generated_root_password}", file=sys.stderr)
    health.serving = True
    log.info("serving", uri=server.uri, http_port=http_port)
    print(f"ready: {server.uri}", flush=True)


async def _flush(manager: JobManager, schedule: Schedule, settings: Settings) -> None:
    """What the settings ask for, as far as the time goes: a flush that does not end in time is undone."""
    wanted = settings.jobs.flush_at_shutdown
    if wanted == "none":
        return
    with trio.move_on_after(settings.server.shutdown_seconds_max * FLUSH_SHARE):
        for job_id in await schedule.submit_due_flushes(everything=wanted == "all"):
            await manager.wait(job_id)


async def _watch_signals(
    stop: trio.Event, seconds_max: float, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """The first signal stops in order, with a time limit; the second stops now."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
        task_status.started()
        async for number in received:
            if stop.is_set():
                log.warning("second_signal")
                _end_process(128 + number)
            log.info("stopping", signal=signal.Signals(number).name)
            stop.set()
            _end_process_after(seconds_max)


def _end_process_after(seconds: float) -> None:
    """A thread outside trio: the one that keeps the promise when trio itself waits for a stuck thread."""

    def end() -> None:
        log.warning("shutdown_too_long")
        _end_process(0)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _end_process(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _root_password() -> str | None:
    return os.environ.get(ROOT_PASSWORD_VARIABLE) or None
