"""Where backups may be: what is no place, and what is none for a statement."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.backup.allowed_targets import allowed_folder, any_target
from storage.errors import InvalidRequest, PermissionDenied


@pytest.mark.parametrize(
    "uri",
    [
        "/backups",
        "file://host/backups",
        "file:backups",
        "http://x/y",
        "file:///backups/../etc",
        "file:///b?x=1",
        "file:///b\n",
        "",
        "file:///" + "b" * 2000,
    ],
)
def test_a_place_that_is_no_folder_is_refused(uri: str):
    with pytest.raises(InvalidRequest):
        any_target(uri)


def test_statements_keep_to_the_folders_that_the_settings_name(tmp_path: Path):
    allowed, data = tmp_path / "allowed", tmp_path / "data"
    for folder in (allowed, data, tmp_path / "elsewhere"):
        folder.mkdir()
    (allowed / "link").symlink_to(tmp_path / "elsewhere")
    directories = [str(allowed), str(tmp_path / "data")]
    allowed_folder(f"file://{allowed}/deep/er", directories, data)
    for refused in (tmp_path / "elsewhere", allowed / "link", allowed / "link" / "deep", tmp_path / "allowed2"):
        with pytest.raises(PermissionDenied, match="backup_directories"):
            allowed_folder(f"file://{refused}", directories, data)
    with pytest.raises(PermissionDenied, match="it is empty"):
        allowed_folder(f"file://{allowed}", [], data)
    with pytest.raises(InvalidRequest, match="inside of the data directory"):
        allowed_folder(f"file://{data}/backups", directories, data)
