"""Row versions in memory: batches with `_seq` in front, under the schema that a table has now."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import SEQ
from storage.state.batch_rows import repeated

SEQ_FIELD: Final = pa.field(SEQ, pa.int64(), nullable=False)


def with_seq(batch: pa.RecordBatch, first_seq: int) -> pa.RecordBatch:
    """`batch` with `_seq` = first_seq.. in front."""
    numbers = np.arange(first_seq, first_seq + batch.num_rows, dtype=np.int64)
    seqs = pa.Array.from_buffers(pa.int64(), batch.num_rows, [None, pa.py_buffer(numbers)])
    return pa.RecordBatch.from_arrays([seqs, *batch.columns], schema=batch.schema.insert(0, SEQ_FIELD))


def conform(batch: pa.RecordBatch, physical: pa.Schema, fills: dict[str, pa.Array]) -> pa.RecordBatch:
    """Rows written under an older schema, as `physical` wants them: columns dropped, widened, filled in.

    fills: one-element arrays for columns added with a default; columns without one become NULL.
    `_seq` stays in front where the batch has it.
    """
    if batch.schema.remove_metadata() == physical or (
        batch.schema.names[1:] == physical.names and _same_types(batch, physical)
    ):
        return batch
    names = set(batch.schema.names)
    columns = [_column(batch, field, names, fills) for field in physical]
    if SEQ not in names:
        return pa.RecordBatch.from_arrays(columns, schema=physical)
    return pa.RecordBatch.from_arrays([batch.column(SEQ), *columns], schema=pa.schema([SEQ_FIELD, *physical]))


def _same_types(batch: pa.RecordBatch, physical: pa.Schema) -> bool:
    return batch.schema.names[0] == SEQ and batch.schema.types[1:] == physical.types


def _column(batch: pa.RecordBatch, field: pa.Field, names: set[str], fills: dict[str, pa.Array]) -> pa.Array:
    if field.name in names:
        found = batch.column(field.name)
        return found if found.type == field.type else found.cast(field.type)
    fill = fills.get(field.name)
    if fill is None:
        return pa.nulls(batch.num_rows, field.type)
    return repeated(fill.cast(field.type), batch.num_rows)
