"""StoreOpener makes the FileStore of a storage from its definition."""

from __future__ import annotations

import shutil
from pathlib import Path

from storage.catalog.credentials import SecretBox
from storage.catalog.storages import StorageDef, StorageType
from storage.clock import Clock
from storage.cold.file_store import FileStore
from storage.cold.folder_store import FolderStore
from storage.cold.ownership_marker import new_claim
from storage.cold.s3_client import S3Client
from storage.cold.s3_store import S3Limits, S3Store
from storage.counters import Counters
from storage.settings import StorageSettings


class StoreOpener:
    """Makes the `FileStore` of storages other than `local`."""

    def __init__(
        self, spool: Path, secrets: SecretBox, settings: StorageSettings, counters: Counters, clock: Clock
    ) -> None:
        """spool: for what is on its way to and from other machines; emptied, what is in it is left from a crash"""
        shutil.rmtree(spool, ignore_errors=True)
        self._spool = spool
        self._secrets = secrets
        self._settings = settings
        self._counters = counters
        self._clock = clock
        self._server = new_claim()  # this life of this server

    def __call__(self, definition: StorageDef, held: set[str]) -> FileStore:
        """Goes nowhere yet: the first use does. Raises StorageUnavailable (sealed credentials that can't be opened)."""
        if definition.type is StorageType.FILESYSTEM:
            return FolderStore(definition, held, self._server)
        credentials = self._secrets.open(definition.name, definition.credentials)
        client = S3Client(definition, credentials, self._settings, self._counters)
        limits = S3Limits(self._settings.s3_part_bytes, self._settings.s3_look_seconds)
        return S3Store(definition, client, self._spool, held, self._server, self._clock, limits)
