"""What leaves: types that clients can take, and plans that tell no directories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa


def client_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` without view types (older drivers fail on them) and without schema metadata."""
    return pa.schema([field.with_type(client_type(field.type)) for field in schema])


def client_type(data_type: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(data_type):
        return pa.string()
    if pa.types.is_binary_view(data_type):
        return pa.binary()
    if pa.types.is_list(data_type):
        return pa.list_(_client_field(data_type.value_field))
    if pa.types.is_large_list(data_type):
        return pa.large_list(_client_field(data_type.value_field))
    if pa.types.is_struct(data_type):
        return pa.struct([_client_field(data_type.field(i)) for i in range(data_type.num_fields)])
    return data_type


def _client_field(field: pa.Field) -> pa.Field:
    return field.with_type(client_type(field.type))


def without_directory(directory: Path) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """For EXPLAIN: file names as the manifest has them, whatever directory the server keeps them in."""
    shown = str(directory).strip("/") + "/"

    def rewrite(batch: pa.RecordBatch) -> pa.RecordBatch:
        texts = [text.replace("/" + shown, "").replace(shown, "") for text in batch.column(1).to_pylist()]
        return pa.RecordBatch.from_arrays([batch.column(0), pa.array(texts)], schema=batch.schema)

    return rewrite
