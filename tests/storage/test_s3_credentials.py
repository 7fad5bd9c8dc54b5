"""Credentials of S3 storages: sealed, never repeated, found in the environment and in profiles."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from storage.catalog.credentials import KEY_VARIABLE, S3Credentials, SecretBox, read_credentials, secret_box
from storage.errors import InvalidRequest, StorageUnavailable
from tests.storage.s3_furniture import Cloud


def test_credentials_are_sealed_with_a_key_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    box = SecretBox(b"k" * 32)
    sealed = box.seal(S3Credentials(access_key_id="id", secret_access_key="very secret"))
    assert "secret" not in sealed
    assert box.open("s", sealed).secret_access_key == "very secret"
    with pytest.raises(StorageUnavailable, match=r"encrypted with another key.*ALTER STORAGE s SET CREDENTIALS"):
        SecretBox(b"o" * 32).open("s", sealed)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(StorageUnavailable, match="can't be read without the key"):
        secret_box("").open("s", sealed)
    with pytest.raises(InvalidRequest, match=f"no key to encrypt.*{KEY_VARIABLE}"):
        secret_box("").seal(S3Credentials())
    with pytest.raises(InvalidRequest, match="can't be read"):
        secret_box(str(tmp_path / "missing"))
    (tmp_path / "short").write_text("c2hvcnQ=")
    with pytest.raises(InvalidRequest, match="no key of 32 bytes"):
        secret_box(str(tmp_path / "short"))
    assert "very secret" not in repr(box.open("s", sealed))
    assert "kkkk" not in repr(box)


@pytest.mark.parametrize(
    "text",
    [
        *("", "hush", "[]", '{"access_key_id": "hush"}', '{"secret": "hush"}', '{"profile": ""}', '{"profile": 1}'),
        '{"access_key_id": "hush", "secret_access_key": "hush", "profile": "p"}',
    ],
)
def test_bad_credentials_are_refused_without_repeating_them(text: str):
    with pytest.raises(InvalidRequest, match="a correct value is") as raised:
        read_credentials(text)
    assert "hush" not in raised.value.message


def test_the_environment_gives_credentials_where_none_are_given(monkeypatch: pytest.MonkeyPatch, here: Cloud):
    here.alter(lambda storage: msgspec.structs.replace(storage, credentials=""))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(StorageUnavailable, match="has no credentials: give them with CREDENTIALS"):
        here.engine.file_stores.get("cloud").probe()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", here.endpoint.credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", here.endpoint.credentials.secret_access_key)
    here.alter(lambda storage: msgspec.structs.replace(storage, description="opened anew"))
    here.engine.file_stores.get("cloud").probe()


def test_a_profile_gives_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, here: Cloud):
    keys = here.endpoint.credentials
    (tmp_path / "profiles").write_text(
        f"[lake]\naws_access_key_id = {keys.access_key_id}\naws_secret_access_key = {keys.secret_access_key}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "profiles"))
    sealed = here.engine.secrets.seal(S3Credentials(profile="lake"))
    here.alter(lambda storage: msgspec.structs.replace(storage, credentials=sealed))
    here.engine.file_stores.get("cloud").probe()
    sealed = here.engine.secrets.seal(S3Credentials(profile="missing"))
    here.alter(lambda storage: msgspec.structs.replace(storage, credentials=sealed))
    with pytest.raises(StorageUnavailable, match="can't be used"):
        here.engine.file_stores.get("cloud").probe()
