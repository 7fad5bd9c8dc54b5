"""From a storage's definition to its files: which kind of `Files` it takes, with what."""

from __future__ import annotations

from storage.credentials import SecretBox
from storage.errors import StorageUnavailable
from storage.files import Files
from storage.folder_files import FolderFiles
from storage.storages import StorageDef, StorageType


class PlaceOpener:
    """Makes the `Files` of storages other than `local`."""

    def __init__(self, secrets: SecretBox) -> None:
        self._secrets = secrets

    def __call__(self, definition: StorageDef, held: set[str]) -> Files:
        """Goes nowhere yet: the first use does."""
        if definition.type is StorageType.FILESYSTEM:
            return FolderFiles(definition, held)
        raise StorageUnavailable("s3 storages are not part of this version")
