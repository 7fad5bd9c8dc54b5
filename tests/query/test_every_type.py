"""Every Arrow type inside every other: a column has it only if its values come back from memory and from files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flight_server.query.results.client_types import client_type
from storage.cold.parquet_types import from_file_batch, is_storable, to_file_batch
from storage.rowstore.row_codec import decode_rows, encode_rows
from storage.state.batch_rows import kept_rows, rows_at
from storage.state.casts import cast
from storage.state.nested_nulls import cleared
from tests.sql_end_to_end.nested_columns import columns_and_nested
from tests.support.query_database import NOW_MS, Database, column, seq_at

STORABLE = [(name, array) for name, array in columns_and_nested() if is_storable(client_type(array.type))]
ROWS = range(3)


def is_same(one: pa.Array, other: pa.Array) -> bool:
    """Equal values of one type. Dictionaries may be coded differently, and Arrow compares no NULL run ends."""
    if one.type != other.type:
        return False
    if isinstance(one, pa.DictionaryArray):
        one, other = one.dictionary_decode(), other.dictionary_decode()
    try:
        return one.equals(other) or repr(one.to_pylist()) == repr(other.to_pylist())
    except (OverflowError, ValueError):  # times that Python has none for
        return str(one) == str(other)


@pytest.mark.parametrize(("name", "sent"), STORABLE, ids=[name for name, _ in STORABLE])
def test_a_column_s_values_come_back_from_memory_and_from_files(db: Database, name: str, sent: pa.Array) -> None:
    kind = client_type(sent.type)
    values = cast(cleared(sent), kind)
    table = db.table("t", column("k", pa.int32()), column("v", kind))
    db.file(table, [seq_at(NOW_MS - 1000, row) for row in ROWS], k=list(ROWS), v=values)
    cold = db.ask("SELECT v FROM t ORDER BY k").column("v").combine_chunks()
    db.hot(table, [seq_at(NOW_MS, row) for row in ROWS], k=[3, 4, 5], v=values)
    both = db.ask("SELECT v FROM t ORDER BY k").column("v").combine_chunks()
    assert is_same(_one(cold), values)
    assert is_same(_one(both).slice(3), values)
    assert is_same(_one(both).slice(0, 3), values)


@pytest.mark.parametrize(("name", "sent"), STORABLE, ids=[name for name, _ in STORABLE])
def test_a_column_s_rows_are_stored_chosen_and_read_back(tmp_path: object, name: str, sent: pa.Array) -> None:
    values = cast(cleared(sent), client_type(sent.type))
    batch = pa.record_batch([values], names=["v"])
    assert is_same(decode_rows(encode_rows(batch, 1), batch.schema).column(0), values)
    assert kept_rows(batch, np.array([True, False, True])).num_rows == 2
    assert rows_at(batch, np.array([2, 0, 1])).num_rows == 3
    pq.write_table(pa.Table.from_batches([to_file_batch(batch)]), f"{tmp_path}/rows.parquet")
    [read] = pq.read_table(f"{tmp_path}/rows.parquet").combine_chunks().to_batches()
    assert is_same(from_file_batch(read, batch.schema).column(0), values)


def test_dictionaries_of_what_files_hold_as_dictionaries_are_storable_and_others_not() -> None:
    storable = (pa.string(), pa.binary(), pa.int8(), pa.float64(), pa.date32(), pa.timestamp("us"))
    refused = (
        pa.bool_(),
        pa.float16(),
        pa.decimal128(5, 2),
        pa.binary(4),
        pa.time64("us"),
        pa.timestamp("s"),
        pa.uuid(),
    )
    assert all(is_storable(pa.dictionary(pa.int32(), kind)) for kind in storable)
    assert not any(is_storable(pa.dictionary(pa.int32(), kind)) for kind in refused)


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
