"""What a server holds at one moment: as /proc, its data directory, its metrics page and `system.jobs` tell it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.long.figures import figures_of
from tests.support.server_process import ServerProcess

_FIGURE: Final = re.compile(r"^frostline_(\w+)(?:\{.*\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the series.

    seconds:          since the load began
    rss_mib, pss_mib: memory, resident, and with shared pages counted in part
    disk_bytes:       of the data directory; row_store_bytes: what of it is the row store's
    ledger_jobs:      jobs in `system.jobs`, finished or not; jobs_waiting: not finished
    """

    seconds: int
    rss_mib: int
    pss_mib: int
    threads: int
    handles: int
    disk_bytes: int
    row_store_bytes: int
    cold_files: int
    cold_rows: int
    hot_rows: int
    deleted_versions: int
    files_retired: int
    snapshots_open: int
    ledger_jobs: int
    jobs_waiting: int
    statements: int


def sampled(server: ServerProcess, cursor: Any, seconds: float, statements: int) -> Sample:
    """statements: that the load has done so far"""
    process_id = server.process.pid
    own, told = figures_of(process_id), _told(server)
    cursor.execute("SELECT count(*) FROM system.jobs")
    [(jobs,)] = cursor.fetchall()
    return Sample(
        seconds=round(seconds),
        rss_mib=own.rss_mib,
        pss_mib=_pss_mib(process_id),
        threads=own.threads,
        handles=own.handles,
        disk_bytes=_bytes_below(server.data),
        row_store_bytes=_bytes_below(server.data / "rows"),
        cold_files=told["cold_files"],
        cold_rows=told["cold_rows"],
        hot_rows=told["hot_rows"],
        deleted_versions=told["deleted_versions"],
        files_retired=told["files_retired"],
        snapshots_open=told["snapshots_open"],
        ledger_jobs=jobs,
        jobs_waiting=told.get("jobs", 0),
        statements=statements,
    )


def _told(server: ServerProcess) -> dict[str, int]:
    """The metrics page, figures of one name added up."""
    found: dict[str, int] = {}
    _, text = server.health("/metrics")
    for name, value in _FIGURE.findall(text):
        found[name] = found.get(name, 0) + int(float(value))
    return found


def _pss_mib(process_id: int) -> int:
    for line in Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) // 1024
    return 0


def _bytes_below(folder: Path) -> int:
    """Files come and go meanwhile."""
    found = 0
    for below, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.stat(os.path.join(below, name)).st_size
            except FileNotFoundError:
                continue
    return found
