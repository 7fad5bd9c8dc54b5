"""Backups in S3, against a real HTTP service: as in a folder, and what a bucket can do to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.backup.allowed_targets import allowed_target, any_target
from storage.backup.record import BackupFile, BackupRecord, stored_name
from storage.backup.restore import restore_into
from storage.backup.take_backup import take_backup
from storage.backup.target import BackupTarget, listed
from storage.engine import Engine
from storage.errors import Corruption, InvalidRequest, PermissionDenied, StorageUnavailable
from storage.maintenance.sweep import sweep
from tests.faults.s3_proxy import PASS, Fault, no_fault
from tests.storage.s3_furniture import Cloud, cloud
from tests.support import storage_builders as furniture
from tests.support.s3_endpoint import REGION, S3Endpoint
from tests.support.storage_builders import never, verify_cold_files


@pytest.fixture(scope="module")
def endpoint() -> Iterator[S3Endpoint]:
    with S3Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def here(tmp_path: Path, endpoint: S3Endpoint) -> Iterator[Cloud]:
    """With a table that has cold rows in the bucket, one with cold rows here, and hot rows."""
    with cloud(tmp_path / "data", endpoint) as opened_cloud:
        for name, storage in (("far", "cloud"), ("near", "local")):
            table = furniture.make_table(opened_cloud.engine, name, key=("k",), storage=storage)
            furniture.insert(opened_cloud.engine, table, (1, "cold"), (2, "gone"))
            furniture.flush(opened_cloud.engine, table)
            furniture.insert(opened_cloud.engine, table, (3, "hot"))
            furniture.delete(opened_cloud.engine, table, "k", 2)
        yield opened_cloud


def uri(here: Cloud) -> str:
    return f"s3://{here.bucket}/lake/backups"


def backup(here: Cloud) -> BackupRecord:
    return take_backup(here.engine, allowed_target(here.engine, uri(here)), "1.2.3", never, lambda _: None)


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    tables = engine.state.catalog.tables.values()
    return {str(t.name): sorted((row["k"], row["v"]) for row in furniture.read(engine, t)) for t in tables}


def key(file: BackupFile) -> str:
    return f"lake/backups/{stored_name(file)}"


def restored(target: BackupTarget, directory: Path) -> dict[str, list[tuple[Any, ...]]]:
    restore_into(directory, target, None, never, lambda _: None)
    with furniture.opened(directory) as engine:
        verify_cold_files(engine)
        return contents(engine)


def test_a_database_goes_to_a_bucket_and_comes_back(
    here: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endpoint: S3Endpoint
):
    record = backup(here)
    assert {file.path.split("/")[1] for file in record.files if file.path.startswith("cold/")} == {"_cloud", "public"}
    second = backup(here)
    assert (second.cold_rows, second.files_written < len(second.files)) == (4, True)
    cold = {file.checksum for file in second.files if file.path.startswith("cold/")}
    assert cold <= {file.checksum for file in record.files}
    sweep(here.engine)  # backups below a storage's prefix are none of its files
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", endpoint.credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", endpoint.credentials.secret_access_key)
    target = any_target(uri(here), endpoint.url, REGION)
    found = [record.backup_id for record in listed(target) if isinstance(record, BackupRecord)]
    assert found == [record.backup_id, second.backup_id]
    assert restored(target, tmp_path / "new") == contents(here.engine)


def test_a_bucket_that_fails_half_way_has_no_backup_and_the_next_one_goes_on(here: Cloud, tmp_path: Path):
    sent: list[str] = []

    def third_fails(method: str, path: str) -> Fault:
        sent.extend([path] if method == "PUT" else [])
        return Fault(status=403) if len(sent) > 2 else PASS

    here.proxy.fault = third_fails
    with pytest.raises(StorageUnavailable, match="403"):
        backup(here)
    here.proxy.fault = no_fault
    target = allowed_target(here.engine, uri(here))
    assert list(listed(target)) == []
    backup(here)
    assert restored(target, tmp_path / "new") == contents(here.engine)


def test_a_lost_or_another_object_is_named_by_the_restore_and_mended_by_the_next_backup(here: Cloud, tmp_path: Path):
    record = backup(here)
    target = allowed_target(here.engine, uri(here))
    file = next(file for file in record.files if file.path.startswith("cold/public"))
    client = here.endpoint.client
    client.put_object(Bucket=here.bucket, Key=key(file), Body=b"x" * file.bytes)
    with pytest.raises(Corruption, match=f"'{file.path}' does not match its checksum"):
        restored(target, tmp_path / "new")
    client.delete_object(Bucket=here.bucket, Key=key(file))
    with pytest.raises(Corruption, match=f"'{file.path}' is missing"):
        restored(target, tmp_path / "new")
    client.put_object(Bucket=here.bucket, Key=key(file), Body=b"short")
    assert backup(here).files_written > 0
    assert restored(target, tmp_path / "new") == contents(here.engine)


def test_a_backup_keeps_to_buckets_and_prefixes_of_storages(here: Cloud):
    for refused in (f"s3://{here.bucket}/lakeside", f"s3://{here.bucket}", "s3://elsewhere/lake"):
        with pytest.raises(PermissionDenied, match="in no storage"):
            allowed_target(here.engine, refused)
    for wrong in ("s3://", "s3://key:secret@bucket/x", f"s3://{here.bucket}/lake/../other"):
        with pytest.raises(InvalidRequest) as raised:
            allowed_target(here.engine, wrong)
        assert "secret" not in raised.value.message
    allowed_target(here.engine, f"s3://{here.bucket}/lake")
