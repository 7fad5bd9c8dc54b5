"""Virtual tables are computed when a statement names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa


def table_of(schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    """Rows, values in the order of `schema`, as a table."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
