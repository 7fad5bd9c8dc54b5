"""Shape makes batches fit for clients: types that they can take, messages of a bounded size, plans without paths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import pyarrow as pa

from flight_server.query.results.client_types import client_field
from flight_server.query.results.interval_units import interval_batch, interval_type
from storage.errors import LimitExceeded

CAREFUL: Final = "run with care"  # plan_type of the row that says why
VALUE_BYTES_MAX: Final = 16 << 20
Rewrite = Callable[[pa.RecordBatch], pa.RecordBatch]


class Shape:
    """How batches leave: as one schema, in messages of about `message_bytes_max`."""

    def __init__(self, schema: pa.Schema, message_bytes_max: int, rewrite: Rewrite | None = None) -> None:
        self.schema = schema
        self._message_bytes_max = message_bytes_max
        self._rewrite = rewrite

    def messages(self, batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Cast, joined, cut."""
        whole = [as_schema(batch, self.schema) for batch in batches]
        if self._rewrite is not None:
            whole = [self._rewrite(batch) for batch in whole]
        yield from cut(whole[0] if len(whole) == 1 else pa.concat_batches(whole), self._message_bytes_max)


def as_schema(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """`batch` with exactly the types of `schema`, column by column in order. No copy where types agree."""
    batch = interval_batch(batch, schema)
    if batch.schema.equals(schema, check_metadata=True) or not schema.names:
        return batch
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def cut(batch: pa.RecordBatch, bytes_max: int) -> Iterator[pa.RecordBatch]:
    """Pieces of about `bytes_max`. One row is never cut, nor what does not shrink (a dictionary is in each piece)."""
    size = batch.nbytes
    if size <= bytes_max or batch.num_rows <= 1:
        yield batch
        return
    step = -(-batch.num_rows // -(-size // bytes_max))
    for start in range(0, batch.num_rows, step):
        piece = batch.slice(start, step)
        if bytes_max < piece.nbytes < size * 3 // 4:
            yield from cut(piece, bytes_max)
        else:
            yield piece


def check_widths(schema: pa.Schema) -> None:
    """Raises LimitExceeded for a column whose every value, NULL too, is wide: no client could take a batch of them."""
    for field in schema:
        if (width := _fixed_bytes(field.type)) > VALUE_BYTES_MAX:
            raise LimitExceeded(
                f"each value of column '{field.name}' has {width:,} bytes by its type; {VALUE_BYTES_MAX:,} are allowed",
                sqlstate="54000",
            )


def _fixed_bytes(kind: pa.DataType) -> int:
    """Bytes that a value takes whatever it is; the widest part's of a nested type."""
    if pa.types.is_fixed_size_binary(kind):
        return int(kind.byte_width)
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * max(1, _fixed_bytes(kind.value_type))
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _fixed_bytes(kind.value_type)
    parts = [kind.field(at).type for at in range(kind.num_fields)] if pa.types.is_nested(kind) else []
    return max(map(_fixed_bytes, parts), default=0)


def client_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` without view types (older drivers fail on them) and without schema metadata."""
    return pa.schema([client_field(field.with_type(interval_type(field.type))) for field in schema])


def renamed(schema: pa.Schema, names: Mapping[str, str]) -> pa.Schema:
    """`schema` with other names for some of its columns; two may then have one name."""
    if not names:
        return schema
    return pa.schema([field.with_name(names.get(field.name, field.name)) for field in schema])


def shown_plan(directories: Iterable[str], reasons: Sequence[str]) -> Rewrite:
    """For EXPLAIN: file names as the manifest has them, whatever directories and buckets the server keeps them in.

    reasons: why and how the statement is run with care, a row of their own at the end
    """
    # The longest first: one may lie within another.
    bases = sorted((directory.strip("/") + "/" for directory in directories), key=len, reverse=True)

    def without(text: str) -> str:
        for base in bases:
            text = text.replace("/" + base, "").replace(base, "")
        return text

    def rewrite(batch: pa.RecordBatch) -> pa.RecordBatch:
        kinds, texts = batch.column(0).to_pylist(), [without(text) for text in batch.column(1).to_pylist()]
        if reasons and kinds:
            kinds.append(CAREFUL)
            texts.append("\n".join(reasons))
        return pa.RecordBatch.from_arrays([pa.array(kinds), pa.array(texts)], schema=batch.schema)

    return rewrite
