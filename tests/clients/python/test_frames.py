"""pandas, polars and DuckDB, all by way of an ADBC connection."""

from __future__ import annotations

import datetime as dt

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest


@pytest.fixture
def birds(cursor):
    cursor.adbc_ingest("birds", pa.table({"name": ["crane", "swan", "wren"], "kg": [5.0, 11.0, 0.01]}))
    return cursor


def test_pandas_reads_with_texts_that_look_like_patterns(db, birds):
    read = pd.read_sql("SELECT name, kg FROM birds WHERE name LIKE '%a_e%' OR name = '\\' ORDER BY kg", db)
    assert read["name"].tolist() == ["crane"]


def test_pandas_reads_in_arrow_types_and_in_pieces(db, birds):
    read = pd.read_sql("SELECT name, kg FROM birds ORDER BY kg", db, dtype_backend="pyarrow")
    assert str(read["kg"].dtype) == "double[pyarrow]"
    assert read["name"].tolist() == ["wren", "crane", "swan"]


def test_pandas_reads_a_whole_table_by_name(db, birds):
    assert len(pd.read_sql_table("birds", db)) == 3


def test_pandas_writes_every_kind_of_column(db, namespace):
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "f": [0.5, None],
            "s": ["x", None],
            "b": [True, False],
            "t": pd.to_datetime(["2024-01-01 00:00", "2024-02-29 12:00"]),
            "z": pd.to_datetime(["2024-01-01 00:00", "2024-02-29 12:00"]).tz_localize("Europe/Berlin"),
            "c": pd.Categorical(["u", "v"]),
            "i": pd.array([1, None], dtype="Int64"),
        }
    )
    for mode, count in (("fail", 2), ("append", 4), ("replace", 2)):
        frame.to_sql("written", db, if_exists=mode, index=False, schema=namespace)
        assert len(pd.read_sql("SELECT n FROM written", db)) == count
    read = pd.read_sql("SELECT * FROM written ORDER BY n", db)
    assert read["f"].isna().tolist() == [False, True]
    assert read["z"].tolist() == frame["z"].tolist()
    assert read["i"].tolist()[0] == 1


def test_polars_reads_with_parameters_and_in_batches(db, birds):
    heavy = pl.read_database("SELECT name FROM birds WHERE kg > ?", db, execute_options={"parameters": [1.0]})
    assert sorted(heavy["name"]) == ["crane", "swan"]
    pieces = pl.read_database("SELECT kg FROM birds", db, iter_batches=True, batch_size=2)
    assert sum(piece.height for piece in pieces) == 3


def test_polars_writes_every_kind_of_column(db, namespace):
    frame = pl.DataFrame(
        {
            "n": [1, 2],
            "s": ["x", None],
            "d": [dt.date(2024, 2, 29), None],
            "t": [dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), None],
            "l": [[1, 2], None],
            "st": [{"a": 1}, {"a": None}],
            "c": pl.Series(["u", "v"], dtype=pl.Categorical),
            "dec": pl.Series(["1.50", None]).str.to_decimal(scale=2),
        }
    )
    for mode in ("fail", "append", "replace"):
        assert frame.write_database(f"{namespace}.written", db, if_table_exists=mode, engine="adbc") == 2
    read = pl.read_database("SELECT * FROM written ORDER BY n", db)
    assert read.to_dict(as_series=False) == frame.to_dict(as_series=False)


def test_duckdb_reads_a_result_as_it_streams(birds):
    birds.execute("SELECT value AS n FROM generate_series(1, 200000)")
    numbers = birds.fetch_record_batch()  # DuckDB finds it by its name
    assert numbers.schema.names == ["n"]
    assert duckdb.sql("SELECT count(*), sum(n) FROM numbers WHERE n % 2 = 0").fetchall() == [(100_000, 10_000_100_000)]


def test_duckdb_joins_a_result_with_its_own_rows(birds):
    birds.execute("SELECT name, kg FROM birds")
    ours = birds.fetch_arrow_table()
    assert ours.num_rows == 3
    joined = duckdb.sql("SELECT o.kg FROM ours o JOIN (VALUES ('swan')) AS t(name) USING (name)").fetchall()
    assert joined == [(11.0,)]


def test_duckdbs_results_are_ingested(cursor):
    made = duckdb.sql("SELECT range AS n, range * range AS square, 'text ' || range AS t FROM range(1000)")
    assert cursor.adbc_ingest("squares", made.to_arrow_table(), mode="create") == 1000
    cursor.execute("SELECT sum(square) AS s FROM squares")
    assert cursor.fetchone() == (sum(n * n for n in range(1000)),)
