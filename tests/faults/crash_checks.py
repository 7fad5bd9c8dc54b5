"""What must be so in a database after a crash."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage.clock import SystemClock
from storage.engine import Engine
from storage.maintenance.sweep import sweep
from storage.settings import StorageSettings
from storage.state.state import live_files
from tests.faults.mixed_load import CONFIG, DEFINITIONS, Load
from tests.support.server_process import ServerProcess
from tests.support.storage_builders import verify_cold_files


@contextmanager
def new_server(directory: Path, is_forked: bool = True) -> Iterator[ServerProcess]:
    """A server on the directory; when a check fails, what it logged is shown."""
    config = directory / "frostline.toml"
    config.write_text(CONFIG)
    with ServerProcess(directory / "data", "--config", str(config), is_forked=is_forked) as server:
        try:
            yield server
        except BaseException:
            print("\n".join(server.stderr[-20:]))
            raise


def create_tables(directory: Path) -> None:
    with new_server(directory) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            for definition in DEFINITIONS:
                cursor.execute(definition)
        server.kill()


def check_files(data: Path) -> None:
    """On a copy: every live file matches its checksum, and the sweep leaves no other."""
    copy = data.with_name("copy")
    shutil.copytree(data, copy)
    engine = Engine.open(copy, StorageSettings(), SystemClock())
    try:
        verify_cold_files(engine)
        sweep(engine)
        assert {path for path, _ in engine.files.listed()} == set(live_files(engine.state))
    finally:
        engine.close()
        shutil.rmtree(copy)


def check_nothing_failed_alive(load: Load) -> None:
    """While the server lives no statement may fail: no worker touches another's rows."""
    for worker in load.workers:
        if worker.failed is not None:
            raise AssertionError(f"worker {worker.number} was refused") from worker.failed
