"""The server of a kill loop, and what its answers must be."""

from __future__ import annotations

from pathlib import Path

from tests.faults.mixed_load import CONFIG, Load
from tests.support.server_process import ServerProcess


def check_answers(load: Load, directory: Path) -> None:
    for worker in load.workers:
        text = str(worker.failed)
        assert "Traceback" not in text, text
        assert str(directory) not in text, text


def a_server(directory: Path, environment: dict[str, str], settings: str = CONFIG) -> ServerProcess:
    config = directory / "frostline.toml"
    config.write_text(settings)
    return ServerProcess(directory / "data", "--config", str(config), environment=environment)
