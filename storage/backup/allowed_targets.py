"""Allowed targets limit backups to places that the settings name. A `dba` is not an operator of the machine.

file:///folder        in one of `storage.backup_directories`, or below it; links are followed before that is looked at
s3://bucket/prefix    in a storage of type 's3', or below its prefix, with that storage's credentials
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from storage.backup.bucket_target import BackupBucket
from storage.backup.folder_target import BackupFolder
from storage.backup.target import BackupTarget
from storage.catalog.credentials import S3Credentials
from storage.catalog.storages import StorageDef, StorageType, checked_uri, is_within
from storage.cold.s3_client import S3Client
from storage.counters import Counters
from storage.errors import InvalidRequest, PermissionDenied
from storage.settings import StorageSettings

if TYPE_CHECKING:
    from storage.engine import Engine

EXAMPLE: Final = "'file:///backups/frostline'"
S3: Final = "s3:"
URI_CHARACTERS_MAX: Final = 1000


def allowed_target(engine: Engine, uri: str) -> BackupTarget:
    """The target that `uri` names, for a statement. Raises InvalidRequest, PermissionDenied."""
    if uri.startswith(S3):
        return _in_storage(engine, checked_uri(StorageType.S3, uri))
    return BackupFolder(allowed_folder(uri, engine.settings.backup_directories, engine.directory))


def allowed_folder(uri: str, directories: Sequence[str], data: Path) -> Path:
    """Raises InvalidRequest, PermissionDenied. data: the data directory"""
    folder = folder_of_uri(uri).resolve()
    roots = [Path(root).resolve() for root in directories]
    if not any(folder.is_relative_to(root) for root in roots):
        raise PermissionDenied(
            f"backups may not be in '{uri}': the setting storage.backup_directories lists the folders that may hold "
            f"them{'' if roots else ', and it is empty'}"
        )
    if folder.is_relative_to(data.resolve()):
        raise InvalidRequest("a backup can't be inside of the data directory; choose a folder on another disk")
    return folder


def _in_storage(engine: Engine, uri: str) -> BackupTarget:
    place = StorageDef(name="", type=StorageType.S3, uri=uri)
    for storage in engine.state.catalog.storages.values():
        if storage.type is StorageType.S3 and _is_below(place, storage):
            credentials = engine.secrets.open(storage.name, storage.credentials)
            client = S3Client(storage, credentials, engine.settings, engine.counters)
            return BackupBucket(client, place.prefix, engine.settings.s3_part_bytes)
    raise PermissionDenied(
        f"backups may not be in '{uri}': it is in no storage of type 's3'; SHOW STORAGES lists them, CREATE STORAGE "
        "makes one"
    )


def _is_below(place: StorageDef, storage: StorageDef) -> bool:
    return place.bucket == storage.bucket and is_within(f"/{place.prefix}", f"/{storage.prefix}")


def any_target(uri: str, endpoint: str = "", region: str = "") -> BackupTarget:
    """The target that `uri` names, for the operator at the command line; S3's credentials are those of the
    environment. Raises InvalidRequest."""
    if not uri.startswith(S3):
        return BackupFolder(folder_of_uri(uri))
    place = StorageDef(
        name="backups", type=StorageType.S3, uri=checked_uri(StorageType.S3, uri), endpoint=endpoint, region=region
    )
    settings = StorageSettings()
    return BackupBucket(S3Client(place, S3Credentials(), settings, Counters()), place.prefix, settings.s3_part_bytes)


def folder_of_uri(uri: str) -> Path:
    """The folder of a `file:` URI. Raises InvalidRequest with an example."""
    if len(uri) > URI_CHARACTERS_MAX or not uri.isprintable():
        raise InvalidRequest(f"a backup's URI has at most {URI_CHARACTERS_MAX} printable characters, like {EXAMPLE}")
    parts = urlsplit(uri)
    path = Path(unquote(parts.path))
    is_plain = parts.scheme == "file" and parts.netloc in ("", "localhost") and not parts.query and not parts.fragment
    if not is_plain or not path.is_absolute() or ".." in path.parts or "\0" in str(path):
        raise InvalidRequest(f"'{uri}' is no place for backups: write the folder as {EXAMPLE}")
    return path
