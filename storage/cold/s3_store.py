"""S3Store keeps cold files of a storage of type 's3': objects of a bucket.

  write    a part grows on a disk of this machine; it is read back, compared, uploaded under a name that was free, and
           what the bucket says it has is compared again (size, SHA-256) before `publish` returns
  read     by the query engine itself, by range for reads of one row, whole for compaction
  check    before a query reads: the object is there, and is the one that was written. A bucket's listing is believed
           for `s3_look_seconds`; an object that is not the one last seen has to show our checksum
Parts need no sync: the rows are in the row store until the edit, which comes after the upload.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import pyarrow as pa

from storage.catalog.storages import StorageDef
from storage.clock import Clock
from storage.cold.file_names import PART_SUFFIX
from storage.cold.file_store import ObjectStore
from storage.cold.folder_store import OWN_NAME, PROBE, PROBE_CONTENT
from storage.cold.ownership_marker import MARKER, Marker, MarkerPlace, Ownership
from storage.cold.s3_client import Found, S3Client, prepared
from storage.durable_files import checksum_of, content_hash, disk_error, made_folder
from storage.errors import Corruption, StorageUnavailable

STALE_UPLOAD_MS: Final = 86_400_000


@dataclass(slots=True)
class _Look:
    """What a folder's listing said. seconds: when, by the monotonic clock; objects: path -> (bytes, ETag)"""

    seconds: float
    objects: dict[str, tuple[int, str]] = field(default_factory=dict)


class S3Store:
    """The objects below one prefix. Fits `files.Files`."""

    def __init__(
        self,
        definition: StorageDef,
        client: S3Client,
        spool: Path,
        held: set[str],
        server: str,
        clock: Clock,
        limits: S3Limits,
    ) -> None:
        """spool: a folder of this machine for what is on its way; held: see `files.Opener`; server: see `Marker`"""
        self.storage = definition.name
        self._definition = definition
        self._client = client
        self._spool = spool / definition.claim
        self._held = held
        self._clock = clock
        self._limits = limits
        self._looks: dict[str, _Look] = {}
        self._good: dict[str, tuple[int, str]] = {}  # objects that were the right ones when they looked like this
        self._lock = threading.Lock()
        key = self._key(MARKER)
        place = MarkerPlace(
            read=lambda: client.get(key),
            write=lambda content, new: client.put(key, content, new=new),
            name=f"'{definition.uri}'",
        )
        self._ownership = Ownership(Marker(definition.name, definition.claim, server), place)

    # --- names --------------------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        return self._definition.prefix

    def url(self, path: str) -> str:
        return f"s3://{self._definition.claim}/{quote(self._key(path))}"

    def part(self, path: str) -> Path:
        return self._spool / (path + PART_SUFFIX)

    def _key(self, path: str) -> str:
        return f"{self._definition.prefix}/{path}" if self._definition.prefix else path

    def object_store(self) -> ObjectStore | None:
        return self._client.store

    # --- writing ------------------------------------------------------------------------------------------------

    def sync(self, handle: int) -> None:
        """Nothing to do: see above."""

    def is_taken(self, path: str) -> bool:
        """Asked before rows are written for nothing: a storage that can't be reached says so here."""
        return self._client.head(self._key(path)) is not None

    def hold(self, path: str) -> None:
        self._held.add(path)

    def release(self, path: str) -> None:
        self._held.discard(path)

    def is_held(self, path: str) -> bool:
        return path in self._held

    def publish(self, path: str, checksum: str) -> None:
        """Raises StorageUnavailable: read back differs, the bucket refuses, has something else, can't be reached."""
        part = self.part(path)
        try:
            upload = prepared(part, self._limits.part_bytes)
        except OSError as error:
            raise disk_error("a cold file could not be read back for its upload", error) from None
        if upload.checksum != checksum:
            raise StorageUnavailable("a cold file read back differently from what was written; the disk may be failing")
        self._ownership.take()
        if not self._client.upload(self._key(path), upload):
            raise StorageUnavailable(f"storage '{self.storage}' has another file under the name of a new one")
        found = self._client.head(self._key(path))
        tells_another = found is not None and len(upload.parts) == 1 and found.sha256 not in ("", upload.sha256)
        if found is None or found.bytes != upload.size_bytes or tells_another:
            raise StorageUnavailable(f"storage '{self.storage}' has another file than was sent; nothing was changed")
        if found.sha256 != upload.sha256:  # it keeps no checksums, or sums up parts in another way: read what it has
            self._compare(path, checksum, StorageUnavailable)
        with self._lock:
            self._good[path] = (found.bytes, found.etag)
            look = self._looks.get(_folder(path))
            if look is not None:
                look.objects[path] = (found.bytes, found.etag)
        part.unlink(missing_ok=True)

    def discard(self, path: str) -> None:
        with suppress(OSError):
            self.part(path).unlink(missing_ok=True)
        self.release(path)
        self._forget(path)
        if path in self._good:
            with suppress(StorageUnavailable):
                self._client.delete(self._key(path))

    # --- reading ------------------------------------------------------------------------------------------------

    def check(self, path: str, size_bytes: int, checksum: str) -> None:
        """Raises Corruption, StorageUnavailable."""
        found = self._seen(path)
        if found is None:
            raise Corruption(
                f"cold file {_name(path)} is missing in storage '{self.storage}'; restore it from a backup"
            )
        if self._good.get(path) == found:
            return
        if found[0] != size_bytes:
            raise Corruption(f"cold file {_name(path)} has another size than was written; restore it from a backup")
        head = self._client.head(self._key(path))
        if head is None or (head.checksum and head.checksum != checksum):
            raise Corruption(f"cold file {_name(path)} is not the one that was written; restore it from a backup")
        if not head.checksum:  # somebody copied it there without its metadata
            self._compare(path, checksum, Corruption)
        self._good[path] = found

    def verify(self, path: str, checksum: str) -> None:
        """Raises Corruption, StorageUnavailable."""
        self._compare(path, checksum, Corruption)

    @contextmanager
    def fetched(self, path: str, checksum: str) -> Iterator[Path]:
        """Raises Corruption, StorageUnavailable."""
        to = self._spool / f"{_name(path)}.{uuid4().hex}"
        made_folder(to.parent, self.sync)
        try:
            try:
                with to.open("wb") as file:
                    for piece in self._pieces(path):
                        file.write(piece)
                if checksum_of(to) != checksum:
                    raise Corruption(f"cold file {_name(path)} does not match its checksum")
            except OSError as error:
                raise disk_error("a cold file could not be fetched", error) from None
            yield to
        finally:
            to.unlink(missing_ok=True)

    @contextmanager
    def source(self, path: str) -> Iterator[Any]:
        found = self._client.head(self._key(path))
        if found is None:
            raise Corruption(
                f"cold file {_name(path)} is missing in storage '{self.storage}'; restore it from a backup"
            )
        with pa.PythonFile(_RangeFile(self._client, found), mode="r") as file:
            yield file

    def _missing(self, path: str) -> Corruption:
        return Corruption(f"cold file {_name(path)} is missing in storage '{self.storage}'; restore it from a backup")

    def _pieces(self, path: str) -> Iterator[bytes]:
        pieces = self._client.pieces(self._key(path))
        if pieces is None:
            raise Corruption(
                f"cold file {_name(path)} is missing in storage '{self.storage}'; restore it from a backup"
            )
        return pieces

    def _compare(self, path: str, checksum: str, kind: type[Corruption | StorageUnavailable]) -> None:
        digest = content_hash()
        for piece in self._pieces(path):
            digest.update(piece)
        if digest.hexdigest() != checksum:
            self._forget(path)
            raise kind(f"cold file {_name(path)} does not match its checksum")

    def _seen(self, path: str) -> tuple[int, str] | None:
        """(bytes, ETag) as the folder's listing has it, which is not older than the limit."""
        folder, now = _folder(path), self._clock.monotonic_seconds()
        with self._lock:
            look = self._looks.get(folder)
            if look is not None and now - look.seconds < self._limits.look_seconds and path in look.objects:
                return look.objects[path]
        prefix, cut = self._key(f"{folder}/" if folder else ""), len(self._key(""))
        listed = {found.key[cut:]: (found.bytes, found.etag) for found in self._client.listed(prefix)}
        with self._lock:
            self._looks[folder] = _Look(now, listed)
        return listed.get(path)

    def _forget(self, path: str) -> None:
        with self._lock:
            self._good.pop(path, None)
            look = self._looks.get(_folder(path))
            if look is not None:
                look.objects.pop(path, None)

    # --- the sweep, and the statements -------------------------------------------------------------------------

    def listed(self) -> Iterator[tuple[str, int]]:
        if not self._ownership.holds():
            return
        prefix = self._key("")
        with suppress(StorageUnavailable):  # not every service has uploads in parts
            self._client.abort_uploads(prefix, self._clock.wall_ms() - STALE_UPLOAD_MS)
        for found in self._client.listed(prefix):
            path = found.key[len(prefix) :]
            if OWN_NAME.fullmatch(_name(path)):
                yield path, found.modified_ms

    def remove(self, path: str) -> int | None:
        found = self._client.head(self._key(path))
        if found is None:
            return None
        self._client.delete(self._key(path))
        self._forget(path)
        return found.bytes

    def probe(self) -> None:
        self._ownership.take()
        key = self._key(f"{PROBE}-{uuid4().hex}")
        self._client.put(key, PROBE_CONTENT, new=True)
        found = self._client.get(key)
        self._client.delete(key)
        if found != PROBE_CONTENT:
            raise StorageUnavailable(f"storage '{self.storage}' gives back something else than was written")

    def give_up_ownership(self) -> None:
        if self._ownership.holds():
            self._ownership.forget()
            self._client.delete(self._key(MARKER))


@dataclass(frozen=True, slots=True)
class S3Limits:
    """part_bytes: larger files go up in parts of so many; look_seconds: for so long a listing is believed"""

    part_bytes: int
    look_seconds: float


class _RangeFile(io.RawIOBase):
    """An object as a file that can be read from anywhere in it: each read is one request."""

    def __init__(self, client: S3Client, found: Found) -> None:
        self._client = client
        self._found = found
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.bytes}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._found.bytes - self._at)
        length = left if size < 0 else min(size, left)
        if length == 0:
            return b""
        data = self._client.read(self._found.key, self._at, length)
        self._at += len(data)
        return data


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _name(path: str) -> str:
    return PurePosixPath(path).name
