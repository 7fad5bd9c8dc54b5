"""Work, a backup and a restore, once through, killed at each of their fail points.

    python -m tests.storage.backup_and_restore FOLDER

One process imports everything once and forks a child for each point, which works in FOLDER/POINT.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

import pyarrow as pa

from storage import failpoints
from storage.backup.folder_target import BackupFolder
from storage.backup.restore import restore_into
from storage.backup.take_backup import take_backup
from tests.support import storage_builders as furniture
from tests.support.storage_builders import never

POINTS: Final = sorted(point for point in failpoints.POINTS if point.startswith(("backup.", "restore.")))
THIRD = ("backup.after_file", "restore.after_file")


def main(folder: Path, point: str) -> None:
    failpoints.arm(point, lambda: os.kill(os.getpid(), signal.SIGKILL), 3 if point in THIRD else 1)
    folder.mkdir(parents=True)
    target = BackupFolder(folder / "backups")
    with furniture.opened(folder / "data") as engine:
        table = furniture.make_table(engine, key=("k",))
        furniture.insert(engine, table, *((n, f"cold {n}") for n in range(50)))
        furniture.flush(engine, table)
        furniture.insert(engine, table, *((n, f"hot {n}") for n in range(100, 130)))
        furniture.delete(engine, table, "k", 7)
        take_backup(engine, target, "1.2.3", never, lambda _: None)
    restore_into(folder / "new", target, None, never, lambda _: None)


def each(folder: Path) -> None:
    """Exit code 0: every child was killed."""
    pa.array([0])  # the first array looks for pandas, which takes longer than a whole child
    for point in POINTS:
        child = os.fork()
        if child == 0:
            main(folder / point, point)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, point


if __name__ == "__main__":
    each(Path(sys.argv[1]))
