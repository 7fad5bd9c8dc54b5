"""Offline commands work on a data directory while no server does. They print what they did, a line each."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flight_server.parser.text.type_names import sql_type_name
from storage.backup.allowed_targets import any_target
from storage.backup.rebuild import rebuild
from storage.backup.restore import restore_into
from storage.seq import ms_of


def add_restore(commands: Any) -> None:
    """commands: what `add_subparsers` gave"""
    parser = commands.add_parser(
        "restore",
        help="bring a backup back into a new data directory",
        description="Bring a backup back into a new data directory, each file compared with its checksum. If it is "
        "cut off, run it again: no server starts on half of a database.",
    )
    parser.add_argument(
        "--from", dest="uri", metavar="URI", required=True, help="like file:///backups/frostline or s3://.."
    )
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="new or empty data directory")
    parser.add_argument("--backup", metavar="ID", help="one that SHOW BACKUP lists (default: the newest)")
    parser.add_argument("--endpoint", metavar="URL", default="", help="of an S3 that is not Amazon's")
    parser.add_argument("--region", metavar="NAME", default="", help="of S3; credentials are those of the environment")
    parser.set_defaults(run=run_restore)


def run_restore(parsed: argparse.Namespace) -> int:
    """Raises InvalidRequest, NotFound, Corruption, StorageUnavailable."""
    target = any_target(parsed.uri, parsed.endpoint, parsed.region)
    record = restore_into(parsed.data, target, parsed.backup, lambda: False, lambda _: None)
    print(
        f"restored backup {record.backup_id}: {len(record.files)} files, {record.bytes} bytes, _seq {record.last_seq}"
    )
    print(f"start it with: frostline serve --data {parsed.data}")
    return 0


def add_recover(commands: Any) -> None:
    """commands: what `add_subparsers` gave"""
    parser = commands.add_parser(
        "recover",
        help="rebuild the row store from cold files when it is lost",
        description="Rebuild the list of tables, of their files and of their keys from the copies of the manifest and "
        "from the files themselves, when rows/ is lost or damaged and there is no backup. Hot rows are lost. "
        "Nothing is removed: the old rows/ is renamed, files that are not taken in go to left-out/.",
    )
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="the data directory")
    parser.add_argument("--to", metavar="NEWDIR", type=Path, help="a new directory (default: in place)")
    parser.set_defaults(run=run_recover)


def run_recover(parsed: argparse.Namespace) -> int:
    """4 when files are missing or damaged. Raises InvalidRequest, Corruption, StorageUnavailable."""
    rebuilt = rebuild(parsed.data, parsed.to, sql_type_name)
    remains = rebuilt.remains
    for found in remains.partitions:
        whose = f" of {found.table.owner.name}" if found.table.owner is not None else ""
        told = f"as of {_time(found.as_of_seq)}" if found.as_of_seq else "from its files alone"
        print(f"table {found.table.name}{whose}: {len(found.files)} files, {told}")
    for path in remains.missing:
        print(f"missing: {path}")
    for path in remains.damaged:
        print(f"damaged: {path}")
    for path in remains.left_out:
        print(f"left out: {path}")
    for note in remains.notes:
        print(f"note: {note}")
    if rebuilt.users:
        print(f"users without a password: {', '.join(rebuilt.users)}")
    if rebuilt.old_rows is not None:
        print(f"the old row store is {rebuilt.old_rows}/ now")
    print(f"rebuilt {rebuilt.tables} tables with {rebuilt.rows} rows in {rebuilt.files} files; hot rows are lost")
    return 0 if rebuilt.is_whole else 4


def _time(seq: int) -> str:
    return f"{datetime.fromtimestamp(ms_of(seq) / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"
