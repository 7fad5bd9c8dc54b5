"""BackupBucket keeps backups below a prefix of an S3 bucket.

Every object appears whole under a name that was free, or not at all (see `s3_client`), so writers need no lock: two of
them write the same bytes under the same name. A file that is there is believed when the bucket tells the size and the
checksum that we gave it; that its bytes stay the same is the service's business, and compared by the restore.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from storage.backup.record import BACKUPS, RECORD_SUFFIX, BackupFile, record_name, stored_name
from storage.backup.target import Pieces, Stop, copied, received
from storage.cold.s3_client import S3Client, Upload, prepared
from storage.durable_files import disk_error
from storage.errors import Corruption, StorageUnavailable


class BackupBucket:
    """See `BackupTarget`."""

    def __init__(self, client: S3Client, prefix: str, part_bytes: int) -> None:
        """prefix: without slashes around it; part_bytes: larger files go up in parts of so many"""
        self._client = client
        self._prefix = f"{prefix}/" if prefix else ""
        self._part_bytes = part_bytes

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def records(self) -> Iterator[tuple[str, bytes]]:
        folder = f"{self._prefix}{BACKUPS}/"
        names = (found.key.removeprefix(folder) for found in self._client.listed(folder))
        records = (name.removesuffix(RECORD_SUFFIX) for name in names if name.endswith(RECORD_SUFFIX))
        for backup_id in sorted(records):
            content = self._client.get(self._prefix + record_name(backup_id))
            if content is not None:
                yield backup_id, content

    def put_record(self, backup_id: str, record: bytes) -> bool:
        key = self._prefix + record_name(backup_id)
        if not self._client.put(key, record, new=True):
            return False
        if self._client.get(key) != record:
            raise StorageUnavailable("the bucket gives back another record than was written")
        return True

    def holds(self, file: BackupFile, stop: Stop) -> bool:
        found = self._client.head(self._key(file))
        return found is not None and (found.bytes, found.checksum) == (file.bytes, file.checksum)

    def put(self, file: BackupFile, source: Path, stop: Stop) -> None:
        try:
            upload = prepared(source, self._part_bytes)
        except OSError as error:
            raise disk_error(f"'{file.path}' can't be read", error) from None
        if (upload.size_bytes, upload.checksum) != (file.bytes, file.checksum):
            raise Corruption(f"'{file.path}' does not match its checksum and can't be backed up; SCRUB ALL tells more")
        key = self._key(file)
        if not self._client.upload(key, upload):
            self._client.delete(key)  # something else under this name is of no use to any backup
            if not self._client.upload(key, upload):
                raise StorageUnavailable("the bucket keeps something else under the name of a file of the backup")
        if not self._is_there(file, upload):
            raise StorageUnavailable("the bucket has another file than was sent; the backup was not made")

    def get(self, file: BackupFile, to: Path, stop: Stop) -> None:
        pieces = self._client.pieces(self._key(file))
        if pieces is None:
            raise Corruption(f"the backup's copy of '{file.path}' is missing; use another backup")
        received(Pieces(pieces), file, to, stop)

    def _is_there(self, file: BackupFile, upload: Upload) -> bool:
        """As the service sums it up; read back where it does not."""
        found = self._client.head(self._key(file))
        if found is None or found.bytes != file.bytes:
            return False
        if found.sha256 == upload.sha256:
            return True
        pieces = self._client.pieces(self._key(file))
        return pieces is not None and copied(Pieces(pieces), (), lambda: False) == (file.bytes, file.checksum)

    def _key(self, file: BackupFile) -> str:
        return self._prefix + stored_name(file)
