"""S3Client makes the few calls that storages need of one bucket, with its errors as ours: the only importer of boto3.

Every call has time limits, and is tried again a bounded number of times, with jitter, when the connection broke, the
service failed (5xx) or asked to slow down; nothing else is tried again. Uploads are conditional: an object appears
under a name that was free, whole, or not at all. When the answer to an upload is lost, the next try finds the name
taken by the very same bytes, and that is success.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from storage.catalog.credentials import S3Credentials
from storage.catalog.storages import StorageDef
from storage.cold.file_store import ObjectStore
from storage.counters import S3_CALLS, S3_ERRORS, Counters
from storage.durable_files import content_hash
from storage.errors import StorageUnavailable
from storage.settings import StorageSettings

if TYPE_CHECKING:
    from botocore.client import BaseClient

CHECKSUM_KEY: Final = "frostline-checksum"  # in the object's metadata: blake2b-128 of the whole, in hex
DEFAULT_REGION: Final = "us-east-1"
UPLOADS_AT_ONCE: Final = 4  # parts of one file
_READ_BYTES: Final = 1 << 20
_NOT_FOUND: Final = ("404", "NoSuchKey", "NotFound")
_TAKEN: Final = ("412", "PreconditionFailed")
_UNFINISHED: Final = ("409", "ConditionalRequestConflict", "NoSuchUpload")
_NO_FAULT: Final = frozenset({404, 412})  # answers that are asked for


@dataclass(frozen=True, slots=True)
class Found:
    """One object. `checksum`: ours, "" when it was not told or has none; `sha256`: base64, "" likewise."""

    key: str
    bytes: int
    etag: str
    modified_ms: int = 0
    checksum: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """What goes up. `parts`: SHA-256 of each `part_bytes` of the file, in order."""

    file: Path
    size_bytes: int
    checksum: str
    part_bytes: int
    parts: tuple[bytes, ...]

    @property
    def sha256(self) -> str:
        """As the service tells it of the whole object."""
        if len(self.parts) == 1:
            return _base64(self.parts[0])
        return f"{_base64(hashlib.sha256(b''.join(self.parts)).digest())}-{len(self.parts)}"


def prepared(file: Path, part_bytes: int) -> Upload:
    """Reads the file once. Raises OSError."""
    whole, parts = content_hash(), []
    size = 0
    with file.open("rb") as stream:
        while data := stream.read(part_bytes):
            whole.update(data)
            parts.append(hashlib.sha256(data).digest())
            size += len(data)
    return Upload(file, size, whole.hexdigest(), part_bytes, tuple(parts) or (hashlib.sha256(b"").digest(),))


class S3Client:
    """One bucket. Safe from any thread. Every method raises StorageUnavailable."""

    def __init__(
        self, definition: StorageDef, credentials: S3Credentials, settings: StorageSettings, counters: Counters
    ) -> None:
        """Goes nowhere yet, and loads no library."""
        self._definition = definition
        self._credentials = credentials
        self._settings = settings
        self._counters = counters
        self._lock = threading.Lock()
        self._made: tuple[Any, BaseClient] | None = None  # session, client
        self._store: ObjectStore | None = None

    def upload(self, key: str, upload: Upload) -> bool:
        """A new object; False when the name is taken by something else."""
        with self._mapped():
            try:
                (self._put_whole if len(upload.parts) == 1 else self._put_parts)(key, upload)
                return True
            except _client_error() as error:
                if _code(error) not in (*_TAKEN, *_UNFINISHED):
                    raise
                found = self.head(key)  # perhaps it was we, and the answer was lost
                if found is None:
                    raise
                return found.bytes == upload.size_bytes and found.checksum == upload.checksum

    def put(self, key: str, content: bytes, *, new: bool) -> bool:
        """A small object; with `new`, False when the name is taken by other bytes."""
        condition = {"IfNoneMatch": "*"} if new else {}
        with self._mapped():
            try:
                self._client().put_object(Bucket=self._bucket, Key=key, Body=content, **condition)
            except _client_error() as error:
                if _code(error) not in _TAKEN:
                    raise
                return self.get(key) == content
        return True

    def head(self, key: str) -> Found | None:
        with self._mapped():
            try:
                answer = self._client().head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
            except _client_error() as error:
                if _code(error) in _NOT_FOUND:
                    return None
                raise
        return Found(
            key=key,
            bytes=answer["ContentLength"],
            etag=answer["ETag"],
            checksum=answer.get("Metadata", {}).get(CHECKSUM_KEY, ""),
            sha256=answer.get("ChecksumSHA256", ""),
        )

    def get(self, key: str) -> bytes | None:
        """A small object."""
        pieces = self.pieces(key)
        return None if pieces is None else b"".join(pieces)

    def read(self, key: str, start: int, length: int) -> bytes:
        """A range of an object that is there."""
        pieces = self.pieces(key, start, length)
        if pieces is None:
            raise StorageUnavailable(f"storage '{self._definition.name}' lost a file while it was read")
        return b"".join(pieces)

    def pieces(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes] | None:
        """An object's bytes, or a range of them; None when there is no such object. A broken stream goes on where it
        broke, a bounded number of times."""
        first = self._stream(key, start, length)
        return None if first is None else self._unbroken(first, key, start, length)

    def listed(self, prefix: str) -> Iterator[Found]:
        """Every object whose key begins so, without checksums."""
        with self._mapped():
            for page in self._client().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for each in page.get("Contents", ()):
                    modified_ms = int(each["LastModified"].timestamp() * 1000)
                    yield Found(each["Key"], each["Size"], each["ETag"], modified_ms)

    def delete(self, key: str) -> None:
        """Does nothing when it is gone already."""
        with self._mapped():
            self._client().delete_object(Bucket=self._bucket, Key=key)

    def abort_uploads(self, prefix: str, older_than_ms: int) -> int:
        """Parts of uploads that a crash left, which nobody sees but the bill; how many uploads."""
        gone = 0
        with self._mapped():
            answer = self._client().list_multipart_uploads(Bucket=self._bucket, Prefix=prefix)
            for each in answer.get("Uploads", ()):
                if each["Initiated"].timestamp() * 1000 < older_than_ms:
                    self._client().abort_multipart_upload(
                        Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"]
                    )
                    gone += 1
        return gone

    @property
    def store(self) -> ObjectStore:
        """How the query engine reads the bucket; another value once credentials were renewed."""
        with self._mapped():
            self._client()
            assert self._made is not None
            session = self._made[0]
            found = session.get_credentials()
            if found is None:
                raise StorageUnavailable(
                    f"storage '{self._definition.name}' has no credentials: give them with CREDENTIALS, or by the "
                    "server's environment"
                )
            keys = found.get_frozen_credentials()
            store = ObjectStore(
                alias=self._definition.claim,
                bucket=self._bucket,
                region=self._definition.region or session.region_name or DEFAULT_REGION,
                endpoint=self._definition.endpoint,
                access_key_id=keys.access_key,
                secret_access_key=keys.secret_key,
                session_token=keys.token or "",
            )
        if store != self._store:
            self._store = store
        return self._store

    # --- uploads ------------------------------------------------------------------------------------------------

    def _put_whole(self, key: str, upload: Upload) -> None:
        with upload.file.open("rb") as body:
            self._client().put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ContentLength=upload.size_bytes,
                ChecksumSHA256=upload.sha256,
                Metadata={CHECKSUM_KEY: upload.checksum},
                IfNoneMatch="*",
            )

    def _put_parts(self, key: str, upload: Upload) -> None:
        client, place = self._client(), {"Bucket": self._bucket, "Key": key}
        metadata = {CHECKSUM_KEY: upload.checksum}
        begun = client.create_multipart_upload(**place, ChecksumAlgorithm="SHA256", Metadata=metadata)
        place["UploadId"] = begun["UploadId"]
        try:
            with ThreadPoolExecutor(UPLOADS_AT_ONCE, "frostline-s3") as pool:
                parts = list(pool.map(lambda at: self._put_part(place, upload, at), range(len(upload.parts))))
            client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            with suppress(Exception):  # what stays is aborted by a later sweep
                client.abort_multipart_upload(**place)
            raise

    def _put_part(self, place: Mapping[str, str], upload: Upload, at: int) -> dict[str, Any]:
        with upload.file.open("rb") as stream:
            stream.seek(at * upload.part_bytes)
            data = stream.read(upload.part_bytes)
        checksum = _base64(upload.parts[at])
        answer = self._client().upload_part(**place, PartNumber=at + 1, Body=data, ChecksumSHA256=checksum)
        return {"ETag": answer["ETag"], "PartNumber": at + 1, "ChecksumSHA256": checksum}

    # --- downloads ----------------------------------------------------------------------------------------------

    def _stream(self, key: str, start: int, length: int | None) -> Any:
        end = "" if length is None else start + length - 1
        chosen = {} if (start, length) == (0, None) else {"Range": f"bytes={start}-{end}"}
        with self._mapped():
            try:
                return self._client().get_object(Bucket=self._bucket, Key=key, **chosen)["Body"]
            except _client_error() as error:
                if _code(error) in _NOT_FOUND:
                    return None
                raise

    def _unbroken(self, body: Any, key: str, start: int, length: int | None) -> Iterator[bytes]:
        done = 0
        for attempt in range(self._settings.s3_attempts_max):
            try:
                with body:
                    while data := body.read(_READ_BYTES):
                        yield data
                        done += len(data)
                return
            except _broken():
                if attempt + 1 == self._settings.s3_attempts_max:
                    raise StorageUnavailable(
                        f"storage '{self._definition.name}' broke off while a file was read"
                    ) from None
            rest = None if length is None else length - done
            if rest == 0:
                return
            body = self._stream(key, start + done, rest)
            if body is None:
                raise StorageUnavailable(f"storage '{self._definition.name}' lost a file while it was read")

    # --- the library --------------------------------------------------------------------------------------------

    @property
    def _bucket(self) -> str:
        return self._definition.bucket

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made[1]

    def _make(self) -> tuple[Any, BaseClient]:
        import boto3  # here, so that a server without S3 starts quickly
        from botocore.config import Config

        given, settings = self._credentials, self._settings
        session = boto3.Session(
            aws_access_key_id=given.access_key_id or None,
            aws_secret_access_key=given.secret_access_key or None,
            aws_session_token=given.session_token or None,
            profile_name=given.profile or None,
            region_name=self._definition.region or None,
        )
        config = Config(
            connect_timeout=settings.s3_connect_seconds_max,
            read_timeout=settings.s3_read_seconds_max,
            retries={"mode": "standard", "total_max_attempts": settings.s3_attempts_max},
            max_pool_connections=UPLOADS_AT_ONCE * 4,
            # Ours is sent and compared; the library's own default is not understood by every service.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if self._definition.endpoint else "auto"},
        )
        endpoint = self._definition.endpoint or None
        region = session.region_name or DEFAULT_REGION
        client = session.client("s3", endpoint_url=endpoint, region_name=region, config=config)
        client.meta.events.register("before-send.s3", self._count_call)
        client.meta.events.register("response-received.s3", self._count_error)
        return session, client

    def _count_call(self, event_name: str, **_: Any) -> None:
        self._counters.add(S3_CALLS, label=event_name.rpartition(".")[2])

    def _count_error(self, event_name: str, response_dict: Any = None, exception: Any = None, **_: Any) -> None:
        status = (response_dict or {}).get("status_code", 0)
        if exception is not None or (status >= 400 and status not in _NO_FAULT):
            self._counters.add(S3_ERRORS, label=event_name.rpartition(".")[2])

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """The library's errors as ours. None of them repeats what was sent."""
        from botocore import exceptions
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError

        name = self._definition.name
        try:
            yield
        except ClientError as error:
            raise StorageUnavailable(f"storage '{name}' refused: {_reason(error)}") from None
        except NoCredentialsError:
            raise StorageUnavailable(
                f"storage '{name}' has no credentials: give them with CREDENTIALS, or by the server's environment"
            ) from None
        except (HTTPClientError, exceptions.ConnectionError) as error:
            raise StorageUnavailable(f"storage '{name}' can't be reached ({type(error).__name__})") from None
        except BotoCoreError as error:
            raise StorageUnavailable(f"storage '{name}' can't be used ({type(error).__name__})") from None


_REASONS: Final = {
    403: "access is denied (403); check its credentials and what they may do",
    404: "there is no such bucket (404); make it, or a storage with another URI",
    429: "it asks to slow down (429)",
    503: "it asks to slow down (503)",
}


def _reason(error: Any) -> str:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _REASONS.get(status) or f"it answers {status} {_code(error)[:40]}"


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _client_error() -> Any:
    from botocore.exceptions import ClientError

    return ClientError


def _broken() -> tuple[type[Exception], ...]:
    """What the library raises while a body is read."""
    from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError

    return HTTPClientError, IncompleteReadError, ResponseStreamingError, OSError


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
