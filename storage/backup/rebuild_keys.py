"""Rebuilt keys: the primary keys of a partition, read from its cold files and entered into a new row store.

Of two live rows with one key, which a delete that no copy knew leaves behind, the later one counts: the earlier one is
deleted by it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import SEQ, TableDef
from storage.cold.parquet import rows_from
from storage.primary_keys.encoding import encode_keys
from storage.rowstore.keys import PK, pk_key, pk_prefix
from storage.rowstore.row_store import Operation, PutEach, RowStore
from storage.state.state import ColdFile

_ENTRY: Final = struct.Struct(">Q")


def live_keys(
    store: RowStore, path: Path, file: ColdFile, table: TableDef, deletes: dict[int, int], replaced: dict[int, int]
) -> Iterator[tuple[np.ndarray, list[Operation]]]:
    """(every `_seq` of a piece of the file, the key entries of its live rows), piece by piece. Each piece's entries
    must be written before the next piece is asked for.

    deletes:  deleted `_seq` -> commit
    replaced: the same for versions that turn out to be replaced; this adds to it
    Raises Corruption.
    """
    names = [column.physical_name for column in table.key_columns]
    schema = pa.schema([pa.field(column.physical_name, column.type) for column in table.key_columns])
    for batch in rows_from(path, file, schema):
        seqs = batch.column(SEQ).to_numpy(zero_copy_only=False)
        if not names:
            yield seqs, []
            continue
        keys = encode_keys([batch.column(name) for name in names], list(table.primary_key))
        entries: dict[bytes, int] = {}
        for key, seq in zip(keys, seqs.tolist(), strict=True):
            if seq not in deletes:
                _enter(store, table.partition_id, entries, replaced, key, seq)
        values = np.array(list(entries.values()), ">u8").tobytes()
        yield seqs, [PutEach(PK, pk_prefix(table.partition_id), list(entries), values)]


def _enter(
    store: RowStore, partition_id: int, entries: dict[bytes, int], replaced: dict[int, int], key: bytes, seq: int
) -> None:
    taken = entries.get(key)
    if taken is None:
        stored = store.get(PK, pk_key(partition_id, key))
        taken = None if stored is None else _ENTRY.unpack(stored)[0]
    if taken is None or taken < seq:
        entries[key] = seq
    if taken is not None and taken != seq:
        replaced[min(taken, seq)] = max(taken, seq)
