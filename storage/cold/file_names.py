"""Cold file names: how they are made, and whether a folder holds any."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from storage.seq import written_ms

PART_SUFFIX: Final = ".part"
FILE_SUFFIX: Final = ".parquet"
COPY_NAME: Final = "manifest.json"  # see `manifest_copy`


def file_name(created_ms: int, first_seq: int) -> str:
    """`2013-01-01T05-15-00-{first _seq in hex}.parquet`, time in UTC."""
    return f"{_time(created_ms)}-{first_seq:x}{FILE_SUFFIX}"


def load_file_name(created_ms: int, file_id: int) -> str:
    """A bulk load's file, named before its rows have a `_seq`."""
    return f"{_time(created_ms)}-load-{file_id:x}{FILE_SUFFIX}"


def _time(created_ms: int) -> str:
    return datetime.fromtimestamp(written_ms(created_ms) / 1000, tz=UTC).strftime("%Y-%m-%dT%H-%M-%S")


def holds_cold_files(folder: Path) -> bool:
    """Whether there is any below it, or a copy of a manifest, which tells of files in other storages."""
    return any(folder.rglob(f"*{FILE_SUFFIX}")) or any(folder.rglob(COPY_NAME))
