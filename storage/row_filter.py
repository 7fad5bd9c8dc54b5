"""Some rows of a batch: what Arrow's own filter does, for the column types it has no kernel for, too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def kept_rows(batch: pa.RecordBatch, keep: np.ndarray | pa.Array) -> pa.RecordBatch:
    """The rows of `batch` for which `keep` (bool, one a row) is true. No copy when that is all of them."""
    mask = keep if isinstance(keep, pa.Array) else pa.array(keep)
    if mask.true_count == batch.num_rows:
        return batch
    if not any(pa.types.is_run_end_encoded(kind) for kind in batch.schema.types):
        return batch.filter(mask)
    return pa.RecordBatch.from_arrays([_kept(column, mask) for column in batch.columns], schema=batch.schema)


def _kept(column: pa.Array, mask: pa.Array) -> pa.Array:
    if not pa.types.is_run_end_encoded(column.type):
        return column.filter(mask)
    values = pc.run_end_decode(column).filter(mask)
    return pc.run_end_encode(values, run_end_type=column.type.run_end_type)
