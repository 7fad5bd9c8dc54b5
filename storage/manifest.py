"""Manifest records: which Parquet files are live. The key is (partition, file id), the value JSON.

File id 0 is no file (ids begin at 1): its record is the partition's head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from storage.errors import Corruption
from storage.hot import Put
from storage.keys import MANIFEST, pair_key, split_pair_key
from storage.state import ColdFile

HEAD: Final = 0


class PartitionHead(msgspec.Struct, frozen=True):
    """What is to be remembered of a partition as a whole.

    purged_seq: the newest commit of which a deleted version was purged; no earlier moment can be shown any more
    """

    purged_seq: int = 0


def encode_head(partition_id: int, head: PartitionHead) -> Put:
    return Put(MANIFEST, pair_key(partition_id, HEAD), msgspec.json.encode(head))


def read_manifest(pairs: Iterable[tuple[bytes, bytes]]) -> tuple[PartitionHead, tuple[ColdFile, ...]]:
    """The records of one partition. Raises Corruption."""
    head, files = PartitionHead(), []
    for key, value in pairs:
        if split_pair_key(key)[1] == HEAD:
            head = _decoded_head(value)
        else:
            files.append(decode_cold_file(key, value)[1])
    return head, tuple(files)


def every_file(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[int, ColdFile]]:
    """(partition id, file) of all live files among the records of any partitions. Raises Corruption."""
    for key, value in pairs:
        if split_pair_key(key)[1] != HEAD:
            yield decode_cold_file(key, value)


def _decoded_head(value: bytes) -> PartitionHead:
    try:
        return msgspec.json.decode(value, type=PartitionHead)
    except msgspec.DecodeError as error:
        raise Corruption(f"the head of a partition can't be read: {error}") from None


def encode_cold_file(family: str, partition_id: int, file: ColdFile) -> Put:
    """The write that makes a file live."""
    return Put(family, pair_key(partition_id, file.file_id), msgspec.json.encode(file))


def decode_cold_file(key: bytes, value: bytes) -> tuple[int, ColdFile]:
    """(partition id, file). Raises Corruption."""
    partition_id, file_id = split_pair_key(key)
    try:
        file = msgspec.json.decode(value, type=ColdFile)
    except msgspec.DecodeError as error:
        raise Corruption(f"a manifest record can't be read: {error}") from None
    if file.file_id != file_id:
        raise Corruption(f"manifest record {file_id} describes file {file.file_id}")
    return partition_id, file
