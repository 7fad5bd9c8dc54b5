"""Commands that work on a data directory while no server does. They print what they did, a line each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from storage.backup_places import any_target
from storage.restore import restore_into


def add_restore(commands: Any) -> None:
    """commands: what `add_subparsers` gave"""
    parser = commands.add_parser(
        "restore",
        help="bring a backup back into a new data directory",
        description="Bring a backup back into a new data directory, each file compared with its checksum. If it is "
        "cut off, run it again: no server starts on half of a database.",
    )
    parser.add_argument("--from", dest="uri", metavar="URI", required=True, help="like file:///backups/frostline")
    parser.add_argument("--data", metavar="DIR", type=Path, required=True, help="new or empty data directory")
    parser.add_argument("--backup", metavar="ID", help="one that SHOW BACKUP lists (default: the newest)")
    parser.set_defaults(run=run_restore)


def run_restore(parsed: argparse.Namespace) -> int:
    """Raises InvalidRequest, NotFound, Corruption, StorageUnavailable."""
    record = restore_into(parsed.data, any_target(parsed.uri), parsed.backup, lambda: False, lambda _: None)
    print(
        f"restored backup {record.backup_id}: {len(record.files)} files, {record.bytes} bytes, _seq {record.last_seq}"
    )
    print(f"start it with: frostline serve --data {parsed.data}")
    return 0
