"""TPC-H data and a first set of its queries (TPC-H specification 3.0.1, section 2.4, validation parameters)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

TABLES: Final = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
QUERIES: Final = {
    "Q1 pricing summary": """
        SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice),
               sum(l_extendedprice * (1 - l_discount)), sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)),
               avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*)
        FROM lineitem WHERE l_shipdate <= DATE '1998-09-02'
        GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus""",
    "Q3 shipping priority": """
        SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
        FROM customer, orders, lineitem
        WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
          AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
        GROUP BY l_orderkey, o_orderdate, o_shippriority ORDER BY revenue DESC, o_orderdate LIMIT 10""",
    "Q5 local supplier volume": """
        SELECT n_name, sum(l_extendedprice * (1 - l_discount)) AS revenue
        FROM customer, orders, lineitem, supplier, nation, region
        WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey
          AND c_nationkey = s_nationkey AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey
          AND r_name = 'ASIA' AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1995-01-01'
        GROUP BY n_name ORDER BY revenue DESC""",
    "Q6 forecasting revenue": """
        SELECT sum(l_extendedprice * l_discount) AS revenue FROM lineitem
        WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01'
          AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24""",
    "Q18 large orders": """
        SELECT c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity)
        FROM customer, orders, lineitem
        WHERE o_orderkey IN (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 300)
          AND c_custkey = o_custkey AND o_orderkey = l_orderkey
        GROUP BY c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice
        ORDER BY o_totalprice DESC, o_orderdate LIMIT 100""",
}
INGEST_ROWS: Final = 65_536  # a message of a few MB: the driver refuses to send 16 MiB


def make_data(directory: Path, scale: float) -> Path:
    """Parquet files of all tables at `scale`, made once and kept."""
    folder = directory / f"tpch-{scale:g}"
    if not (folder / "lineitem.parquet").exists():
        tool = Path(sys.executable).parent / "tpchgen-cli"
        command = [str(tool), "parquet", "-s", f"{scale:g}", "--output-dir", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def rows_of(folder: Path, table: str) -> pa.RecordBatchReader:
    """A table's rows, text as plain strings."""
    source = pq.ParquetFile(folder / f"{table}.parquet")
    schema = pa.schema([_plain(field) for field in source.schema_arrow])
    return pa.RecordBatchReader.from_batches(schema, _cast(source, schema))


def load(connection: Any, folder: Path, table: str) -> int:
    """Load one table through adbc_ingest; returns its rows."""
    with connection.cursor() as cursor:
        rows: int = cursor.adbc_ingest(table, rows_of(folder, table), mode="replace")
    return rows


def _cast(source: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in source.iter_batches(batch_size=INGEST_ROWS):
        yield batch.cast(schema)


def _plain(field: pa.Field) -> pa.Field:
    return field.with_type(pa.string()) if pa.types.is_string_view(field.type) else field
