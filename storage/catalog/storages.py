"""StorageDef describes a storage, a place for cold files, as a record of the catalog.

`local` is the data directory's own `cold` folder; it is always there. All others are folders of the machine
(`file:///dir`) or prefixes of S3 buckets (`s3://bucket/prefix`). A storage's type and URI never change: the files that
lie there are found by them.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from storage.catalog.folder_templates import SHARED_TEMPLATE, USER_TEMPLATE, Layout, parse_sharding
from storage.errors import InvalidRequest

LOCAL: Final = "local"
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION: Final = re.compile(r"[a-z0-9-]{1,40}")
_PREFIX_PIECE: Final = re.compile(r"[A-Za-z0-9_.=@+~-]{1,200}")
_ENDPOINT: Final = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?|https?://\[[0-9a-fA-F:]+\](?::\d{1,5})?")


class StorageType(StrEnum):
    """Kept by name: never rename one."""

    FILESYSTEM = "filesystem"
    S3 = "s3"


class StorageMode(StrEnum):
    """Whose storage a user's rows go to where the table leaves the choice. Kept by name: never rename one."""

    TABLE = "table"
    REGION = "region"


class StorageDef(msgspec.Struct, frozen=True, kw_only=True):
    """One storage.

    uri:         "" for `local` alone
    region:      of S3; "" = what the environment says
    endpoint:    of an S3 that is not Amazon's; "" = Amazon's
    credentials: sealed (see `credentials`); "" = what the environment or the profile says
    sharding:    as `layout.parse_sharding` reads it
    claim:       stands in the marker in the place itself, so that two databases never share one
    """

    name: str
    type: StorageType
    uri: str = ""
    region: str = ""
    endpoint: str = ""
    credentials: str = ""
    shared_template: str = SHARED_TEMPLATE
    user_template: str = USER_TEMPLATE
    sharding: str = "none"
    description: str = ""
    claim: str = ""
    created_ms: int = 0

    @property
    def layout(self) -> Layout:
        return Layout(self.shared_template, self.user_template, parse_sharding(self.sharding))

    @property
    def directory(self) -> str:
        """Of a filesystem storage: absolute."""
        return unquote(urlsplit(self.uri).path)

    @property
    def bucket(self) -> str:
        """Of an S3 storage."""
        return urlsplit(self.uri).netloc

    @property
    def prefix(self) -> str:
        """Of an S3 storage: without slashes around it; "" for a whole bucket."""
        return urlsplit(self.uri).path.strip("/")

    def overlaps(self, other: StorageDef) -> bool:
        """Whether one lies inside the other, or both are the same place."""
        if self.type is not other.type or self.name == other.name or LOCAL in (self.name, other.name):
            return False
        if self.type is StorageType.FILESYSTEM:
            return is_within(self.directory, other.directory) or is_within(other.directory, self.directory)
        if (self.bucket, self.endpoint) != (other.bucket, other.endpoint):
            return False
        return is_within("/" + self.prefix, "/" + other.prefix) or is_within("/" + other.prefix, "/" + self.prefix)


LOCAL_STORAGE: Final = StorageDef(
    name=LOCAL, type=StorageType.FILESYSTEM, description="the cold folder of the data directory"
)


def checked_type(text: str) -> StorageType:
    """Raises InvalidRequest."""
    try:
        return StorageType(text.lower())
    except ValueError:
        raise InvalidRequest(f"there is no storage type '{text[:40]}': use 'filesystem' or 's3'") from None


def checked_uri(kind: StorageType, uri: str) -> str:
    """Without a slash at its end. Raises InvalidRequest with a correct example."""
    try:
        parts = urlsplit(uri)
        problem = _file_problem(uri) if kind is StorageType.FILESYSTEM else _s3_problem(uri)
    except ValueError:
        problem = "it can't be read"
    if problem is not None:
        example = "file:///var/frostline/archive" if kind is StorageType.FILESYSTEM else "s3://bucket/prefix"
        shown = uri if "@" not in parts_before_path(uri) else "(hidden: it may hold a password)"
        raise InvalidRequest(f"bad URI '{shown[:100]}' of a {kind} storage: {problem}; a correct one is '{example}'")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def parts_before_path(uri: str) -> str:
    """Scheme and host of a URI, with whatever stands before the host."""
    return uri.split("://", 1)[-1].split("/", 1)[0]


def checked_region(text: str) -> str:
    """Raises InvalidRequest."""
    if text and _REGION.fullmatch(text) is None:
        raise InvalidRequest(f"bad REGION '{text[:60]}': use a name such as 'eu-central-1'")
    return text


def checked_endpoint(text: str) -> str:
    """Raises InvalidRequest."""
    if text and _ENDPOINT.fullmatch(text.rstrip("/")) is None:
        raise InvalidRequest("bad ENDPOINT: use scheme, host and port alone, such as 'https://s3.example.com:9000'")
    return text.rstrip("/")


def is_within(path: str, folder: str) -> bool:
    """Both absolute and normal."""
    return PurePosixPath(path).is_relative_to(PurePosixPath(folder))


def _file_problem(uri: str) -> str | None:
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        return "it must be file:// and an absolute path"
    if not path.startswith("/") or "//" in path or set(path.split("/")) & {".", ".."} or not path.isprintable():
        return "the path must be absolute, without '.', '..' or '//'"
    return "the whole file system is too much" if path.rstrip("/") == "" else None


def _s3_problem(uri: str) -> str | None:
    parts = urlsplit(uri)
    if parts.scheme != "s3" or parts.query or parts.fragment or _BUCKET.fullmatch(parts.netloc) is None:
        return "it must be s3:// and the name of a bucket (lower-case letters, digits, '.' and '-')"
    pieces = parts.path.strip("/").split("/") if parts.path.strip("/") else []
    if any(set(piece) == {"."} or _PREFIX_PIECE.fullmatch(piece) is None for piece in pieces):
        return "its prefix may hold letters, digits, '_', '-', '.', '=', '@', '+', '~' and '/'"
    return None
