"""FolderStore keeps cold files of a storage of type 'filesystem': another folder of this machine, or a mounted one.

As `local_store`, but that the folder may be somebody else's too: only files with names of ours are listed, and only
where the marker says that they are ours (see `ownership_marker`). A sync that this disk refuses fails the file alone:
the row store lies on another disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from storage.catalog.storages import StorageDef
from storage.cold.file_names import PART_SUFFIX
from storage.cold.local_store import LocalStore
from storage.cold.ownership_marker import MARKER, Marker, MarkerPlace, Ownership
from storage.durable_files import disk_error, made_folder
from storage.errors import StorageUnavailable

# `folder_templates` and `file_name` make these; whatever else lies in the folder is left alone.
OWN_NAME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-[0-9a-z-]+\.parquet(\.part)?")
PROBE: Final = "frostline-probe"
PROBE_CONTENT: Final = b"frostline was here"


class FolderStore(LocalStore):
    """The folder of one storage."""

    def __init__(self, definition: StorageDef, held: set[str], server: str) -> None:
        """server: see `ownership_marker.Marker`"""
        super().__init__(Path(definition.directory), storage=definition.name, held=held)
        place = MarkerPlace(self._read_marker, self._write_marker, f"folder '{definition.directory}'")
        self._ownership = Ownership(Marker(definition.name, definition.claim, server), place)

    def publish(self, path: str, checksum: str) -> None:
        self._ownership.take()
        super().publish(path, checksum)

    def listed(self) -> Iterator[tuple[str, int]]:
        if self._ownership.holds():
            yield from ((path, ms) for path, ms in super().listed() if OWN_NAME.fullmatch(Path(path).name))

    def probe(self) -> None:
        """Raises StorageUnavailable."""
        made_folder(self.root, self.sync)
        self._ownership.take()
        path = self.root / f"{PROBE}-{os.getpid()}"
        try:
            path.write_bytes(PROBE_CONTENT)
            found = path.read_bytes()
            path.unlink()
        except OSError as error:
            raise disk_error(f"storage '{self.storage}' can't be used", error) from None
        if found != PROBE_CONTENT:
            raise StorageUnavailable(f"storage '{self.storage}' gives back something else than was written")

    def give_up_ownership(self) -> None:
        if self._ownership.holds():
            self._ownership.forget()
            with suppress(OSError):
                (self.root / MARKER).unlink()

    def _read_marker(self) -> bytes | None:
        try:
            return (self.root / MARKER).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error(f"storage '{self.storage}' can't be reached", error) from None

    def _write_marker(self, content: bytes, new: bool) -> bool:
        made_folder(self.root, self.sync)
        part = self.root / f"{MARKER}{PART_SUFFIX}-{os.getpid()}"
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                self.sync(file.fileno())
            if new:
                os.link(part, self.root / MARKER)
            else:
                part.replace(self.root / MARKER)
        except FileExistsError:
            return False
        except OSError as error:
            raise disk_error(f"storage '{self.storage}' can't be written to", error) from None
        finally:
            part.unlink(missing_ok=True)
        return True
