"""What a peer writes in one call to have the Parquet file that the server would write."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from storage.catalog.schema import SEQ
from storage.cold.encodings import DELTA, Encoding, encoding_of
from storage.settings import StorageSettings

CODEC: Final = "lz4"


def write_cold_file(rows: pa.Table, path: Path) -> None:
    """With what `storage/cold/parquet.py` asks of the writer, the encoding of each column included; not synced."""
    group_rows = StorageSettings().row_group_rows
    [batch] = rows.slice(0, group_rows).combine_chunks().to_batches()
    chosen = {name: _encoding(name, batch.column(name)) for name in rows.column_names}
    named = {name: each.name for name, each in chosen.items() if each.name is not None}
    pq.write_table(
        rows,
        path,
        compression={name: CODEC if each.is_compressed else "none" for name, each in chosen.items()},
        row_group_size=group_rows,
        use_dictionary=[name for name in chosen if name not in named],
        column_encoding=named,
        store_decimal_as_integer=True,
        write_page_index=True,
        write_page_checksum=True,
    )


def _encoding(name: str, values: pa.Array) -> Encoding:
    return Encoding(DELTA) if name == SEQ else encoding_of(values, CODEC)
