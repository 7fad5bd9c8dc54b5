"""Where backups may be: only in places that the settings name. A `dba` is not an operator of the machine.

    file:///folder     in one of `storage.backup_directories`, or below it; links are followed before that is looked at

Pure but for following links.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from storage.backup_folder import BackupFolder
from storage.backup_target import BackupTarget
from storage.errors import InvalidRequest, PermissionDenied

EXAMPLE: Final = "'file:///backups/frostline'"
URI_CHARACTERS_MAX: Final = 1000


def allowed_target(uri: str, directories: Sequence[str], data: Path) -> BackupTarget:
    """The target that `uri` names, for a statement. Raises InvalidRequest, PermissionDenied."""
    folder = folder_of_uri(uri).resolve()
    roots = [Path(root).resolve() for root in directories]
    if not any(folder.is_relative_to(root) for root in roots):
        raise PermissionDenied(
            f"backups may not be in '{uri}': the setting storage.backup_directories lists the folders that may hold "
            f"them{'' if roots else ', and it is empty'}"
        )
    if folder.is_relative_to(data.resolve()):
        raise InvalidRequest("a backup can't be inside of the data directory; choose a folder on another disk")
    return BackupFolder(folder)


def any_target(uri: str) -> BackupTarget:
    """The target that `uri` names, for the operator at the command line. Raises InvalidRequest."""
    return BackupFolder(folder_of_uri(uri))


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
