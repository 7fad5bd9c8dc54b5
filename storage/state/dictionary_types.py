"""Tells types that hold a dictionary at any depth: IPC writes their batches another way."""

from __future__ import annotations

import pyarrow as pa


def has_dictionary(schema: pa.Schema) -> bool:
    """Whether a column has one."""
    return any(_holds_dictionary(field.type) for field in schema)


def _holds_dictionary(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _holds_dictionary(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return True
    if pa.types.is_run_end_encoded(kind):
        return _holds_dictionary(kind.value_type)
    return any(_holds_dictionary(kind.field(i).type) for i in range(kind.num_fields))
