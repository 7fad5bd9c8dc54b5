"""What people really call: pandas and polars over ADBC."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from adbc_driver_manager import Error

from tests.support.sql_client import Client, Refused


@pytest.fixture
def frame() -> pd.DataFrame:
    days = pd.to_datetime(["2024-01-01", "2024-01-02"])
    return pd.DataFrame({"a": [1, 2], "s": ["x", None], "f": [1.5, 2.5], "t": days, "c": pd.Categorical(["u", "v"])})


def test_pandas_writes_and_reads(client: Client, frame: pd.DataFrame) -> None:
    name = f"{client.namespace}_frame"
    client.do("USE public")
    assert frame.to_sql(name, client.connection, index=False) == 2
    assert frame.to_sql(name, client.connection, index=False, if_exists="append") == 2
    assert frame.to_sql(name, client.connection, index=False, if_exists="replace") == 2
    read = pd.read_sql(f"SELECT * FROM {name} ORDER BY a", client.connection)
    pd.testing.assert_frame_equal(read, frame, check_dtype=False, check_categorical=False)
    assert len(pd.read_sql_table(name, client.connection)) == 2
    with pytest.raises(ValueError, match="already exists"):
        frame.to_sql(name, client.connection, index=False)


def test_an_index_of_pandas_without_a_name_is_a_column_as_pandas_calls_it(client: Client, frame: pd.DataFrame) -> None:
    name = f"{client.namespace}_indexed"
    assert frame.to_sql(name, client.connection, index=True) == 2
    assert client.rows(f"SELECT __index_level_0__ FROM {name} ORDER BY 1") == [(0,), (1,)]


def test_polars_writes_and_reads(client: Client) -> None:
    name = f"public.{client.namespace}_polars"
    categories = pl.Series(["k", "l"], dtype=pl.Categorical)
    frame = pl.DataFrame({"a": [1, 2], "s": ["x", None], "l": [[1], [2, 3]], "c": categories, "d": [dt.date.max] * 2})
    for mode in ("fail", "append", "replace"):
        assert frame.write_database(name, client.connection, if_table_exists=mode, engine="adbc") == 2
    with pytest.raises(Error, match="42P07"):
        frame.write_database(name, client.connection, engine="adbc")
    read = pl.read_database(f"SELECT * FROM {name} ORDER BY a", client.connection)
    assert read.to_dict(as_series=False) == frame.to_dict(as_series=False)
    one = pl.read_database(f"SELECT a FROM {name} WHERE a = $1", client.connection, execute_options={"parameters": [2]})
    assert one["a"].to_list() == [2]


EMPTY = {
    "pyarrow": pa.table({"a": pa.array([], pa.int64()), "s": pa.array([], pa.string())}),
    "pandas": pd.DataFrame({"a": pd.Series([], dtype="int64"), "s": pd.Series([], dtype="str")}),
    "polars": pl.DataFrame(schema={"a": pl.Int64, "s": pl.String}),
}


@pytest.mark.parametrize("library", EMPTY)
def test_a_frame_of_no_rows_is_loaded_as_the_page_on_adbc_says(client: Client, library: str) -> None:
    table = pa.table(EMPTY[library])
    with pytest.raises(Refused, match="Stream finished before first message sent"):  # else the page is out of date
        client.ingest("t", table)
    no_rows = pa.RecordBatch.from_pylist([], schema=table.schema)
    for mode in ("create", "append", "replace", "create_append"):
        reader = pa.RecordBatchReader.from_batches(table.schema, [no_rows])
        assert client.ingest("t", reader, mode=mode) == 0
    assert client.table("SELECT * FROM t").schema.names == ["a", "s"]
    assert client.value("SELECT count(*) FROM t WHERE a > 0 OR s LIKE 'x'") == 0


def test_polars_writes_a_frame_of_no_rows_by_itself(client: Client) -> None:
    name = f"public.{client.namespace}_no_rows"
    assert EMPTY["polars"].write_database(name, client.connection, engine="adbc") == 0
    assert client.value(f"SELECT count(*) FROM {name}") == 0
