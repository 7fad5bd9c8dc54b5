"""One server per data directory: a lock file that names its holder.

The kernel's lock (flock) decides and dies with its process, so a file left by a crash is taken over. The text in
the file, process id and host, is for the message alone.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import Final

from storage.errors import StorageUnavailable

LOCK_FILE: Final = "frostline.lock"


class DirectoryInUse(StorageUnavailable):
    """Another server holds the data directory; stop it or choose another directory."""

    sqlstate = "55006"


class DirectoryLock:
    """Held from construction to `release`."""

    def __init__(self, directory: Path) -> None:
        """Raises DirectoryInUse naming the holder."""
        self._file = (directory / LOCK_FILE).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "an unknown process"
            self._file.close()
            raise DirectoryInUse(f"data directory '{directory.name}' is in use by {holder}") from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the directory up."""
        self._file.truncate(0)
        self._file.close()
