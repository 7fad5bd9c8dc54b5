"""Keys of the row store, and their inverses. Byte order is key order, so a partition is one range.

    family    key                                        value
    meta      kind (1) + name (utf-8)                    JSON record, see `MetaKind`
    hot       partition id (8) + first `_seq` (8)        rows of one insert, see `row_codec`
    deletes   partition id (8) + commit `_seq` (8)       int64[n] little-endian, see `delete_records`
    pk        partition id (8) + encoded primary key     see `encoding`
    manifest  partition id (8) + file id (8)             JSON `ColdFile`
    jobs      job id (utf-8)                             JSON job record
    audit     commit `_seq` (8) + place in it (4)        JSON record, see `audit_log`
    owners    `n` + user key, and `#` + number (4)       number (4), and user key: see `owners`

A partition id is the table's id, or, for a user table, the table's id (upper 32 bits) and the owner's number (lower).

All integers in keys are unsigned big-endian. DO NOT CHANGE: these bytes are in every data directory.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Final

from storage.catalog.partition_ids import OWNER_BITS, is_owned, owner_of_partition, table_of_partition

_PAIR = struct.Struct(">QQ")
_ONE = struct.Struct(">Q")

META: Final = "meta"
HOT: Final = "hot"
DELETES: Final = "deletes"
PK: Final = "pk"
MANIFEST: Final = "manifest"
JOBS: Final = "jobs"
AUDIT: Final = "audit"
OWNERS: Final = "owners"
FAMILIES: Final = (META, HOT, DELETES, PK, MANIFEST, JOBS, AUDIT, OWNERS)


class MetaKind(Enum):
    """First byte of a `meta` key. DO NOT CHANGE THESE VALUES: they are on disk."""

    FORMAT = b"F"  # the layout's version
    NAMESPACE = b"N"
    TABLE = b"T"  # the newest definition, by name
    TABLE_VERSION = b"H"  # every definition, by id and version
    VIEW = b"V"
    USER = b"U"
    STORAGE = b"P"  # places for cold files, by name
    GRANT = b"G"  # privileges of one user on one table or view
    LOAD = b"L"  # load id -> first `_seq` of a committed bulk load into a keyed table
    LOADING = b"B"  # load id -> partition of a bulk load under way, or cut off, that has entered primary keys
    DROPPED = b"D"  # partitions whose rows and files are still to be removed
    DROPPED_TABLE = b"X"  # last definitions of dropped tables, by id
    NEXT_ID = b"I"  # ids below this are given out
    LAST_SEQ = b"S"  # `_seq`s up to this are given out (written where the rows that show it may go)
    EVICTED = b"E"  # partition id of a stream -> the `_seq` before which its events have left


def meta_key(kind: MetaKind, name: str) -> bytes:
    return kind.value + name.encode()


def split_meta_key(key: bytes) -> tuple[MetaKind, str]:
    return MetaKind(key[:1]), key[1:].decode()


def pair_key(partition_id: int, number: int) -> bytes:
    """A key of `hot`, `deletes` or `manifest`."""
    return _PAIR.pack(partition_id, number)


def split_pair_key(key: bytes) -> tuple[int, int]:
    first, second = _PAIR.unpack(key)
    return first, second


def partition_range(partition_id: int) -> tuple[bytes, bytes]:
    """[start, end) of everything that belongs to a partition in one family."""
    return _ONE.pack(partition_id), _ONE.pack(partition_id + 1)


def partition_of(key: bytes) -> int:
    """The partition that a key of any partitioned family belongs to."""
    return int.from_bytes(key[:8], "big")


def owned_range(table_id: int) -> tuple[bytes, bytes]:
    """[start, end) of all partitions of a user table in one family."""
    return _ONE.pack(table_id << OWNER_BITS), _ONE.pack((table_id + 1) << OWNER_BITS)


def dropped_range(partition_id: int) -> tuple[bytes, bytes]:
    """[start, end) of what a `dropped` record of this id stands for: a partition, or, where it is that of a user table
    without an owner, the partitions of all owners."""
    whole = is_owned(partition_id) and owner_of_partition(partition_id) == 0
    return owned_range(table_of_partition(partition_id)) if whole else partition_range(partition_id)


def pk_prefix(partition_id: int) -> bytes:
    return _ONE.pack(partition_id)


def pk_key(partition_id: int, encoded: bytes) -> bytes:
    return _ONE.pack(partition_id) + encoded


def table_version_name(table_id: int, version: int) -> str:
    """Name part of a TABLE_VERSION key."""
    return f"{table_id:020d}.{version:010d}"
