"""Backup and restore of a database of cold rows, against copying its files: read, hashed, synced and read back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.flight_sql_client import FlightSql, ingest_into
from bench.measure import in_turn, timed
from bench.processes import Server, frostline
from bench.scale import Run
from bench.tpch_data import tpch_files, tpch_rows
from storage.backup.folder_target import BackupFolder
from storage.backup.restore import restore_into
from storage.durable_files import checksum_of

MEGABYTE: Final = 1e6


def backup_and_restore(run: Run) -> Iterator[Figure]:
    """lineitem, bulk loaded: into a new folder, again into the same one, and back into a new directory."""
    factor = run.scale.tpch_factor
    rows = tpch_rows(tpch_files(run.data, factor), "lineitem").read_all()
    with frostline(run.data / "server") as server:
        with closing(FlightSql(server.uri)) as client:
            client.put(ingest_into("lineitem", replace=True), rows)
        places = iter(range(1 << 30))
        copy = run.data / "copy"

        def into_new_folder() -> None:
            _backed_up(server, f"{server.backups}/{next(places)}")

        def copied() -> None:
            _copy(server.data / "cold", copy)

        cpu = server.cpu_seconds()
        backup = in_turn(timed(into_new_folder), timed(copied), rounds=run.scale.rounds)
        usage = server.usage(cpu)
        last = f"{server.backups}/{next(places)}"
        _backed_up(server, last)
        again = in_turn(timed(lambda: _backed_up(server, last)), rounds=run.scale.rounds)
        target, directory = BackupFolder(Path(last)), run.data / "restored"

        def restored() -> None:
            restore_into(directory, target, None, lambda: False, lambda _: None)
            shutil.rmtree(directory)

        restore = in_turn(timed(restored), timed(copied), rounds=run.scale.rounds)
        megabytes = sum(file.stat().st_size for file in server.cold_files("public", "lineitem")) / MEGABYTE
    name = f"of lineitem SF{factor:g}, {megabytes:.0f} MB"
    ours, theirs = (megabytes / seconds for seconds in backup)
    yield Figure(f"backup {name}, vs copying its files", "MB/s", ours, theirs, None, backup.rates(), usage)
    yield Figure(f"second backup {name}, nothing new: read and compared", "MB/s", megabytes / again[0])
    ours, theirs = (megabytes / seconds for seconds in restore)
    yield Figure(f"restore {name}, vs copying its files", "MB/s", ours, theirs, None, restore.rates())


def _backed_up(server: Server, folder: str) -> None:
    [[job]] = server.run(f"BACKUP DATABASE TO 'file://{folder}'")
    [[done]] = server.run(f"WAIT FOR JOB '{job['job_id']}'")
    assert done["status"] == "completed", done


def _copy(source: Path, to: Path) -> None:
    """Each file compared with its source."""
    for file in source.rglob("*.parquet"):
        target = to / file.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        with target.open("rb") as written:
            os.fsync(written.fileno())
        assert checksum_of(target) == checksum_of(file)
    shutil.rmtree(to)
