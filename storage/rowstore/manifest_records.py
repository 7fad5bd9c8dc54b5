"""Manifest records name the live Parquet files. The key is (partition, file id), the value JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from storage.errors import Corruption
from storage.rowstore.keys import pair_key, split_pair_key
from storage.rowstore.row_store import Put
from storage.state.state import ColdFile


def encode_cold_file(family: str, partition_id: int, file: ColdFile) -> Put:
    """The write that makes a file live."""
    return Put(family, pair_key(partition_id, file.file_id), msgspec.json.encode(file))


def every_file(pairs: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[int, ColdFile]]:
    """(partition id, file) of all live files among the records of any partitions. Raises Corruption."""
    return (decode_cold_file(key, value) for key, value in pairs)


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
