"""TPC-H: its data as Parquet, made once by tpchgen-cli and kept; its 22 queries, one file each; its tables in a server.

The queries are those of the specification with its validation parameters.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from bench.bare_flight import BATCH_ROWS
from bench.flight_sql_client import FlightSql, ingest_into
from bench.processes import Server
from flight_server.parser.text.type_names import sql_type_name

TABLES: Final = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")
COLD: Final = "cold"  # namespace with all rows in Parquet
MIXED: Final = "mixed"  # namespace with 1% of the rows hot and 0.1% updated
NEVER_FLUSHED: Final = "WITH (flush_policy = 'rows:1000000000,interval:30d,bytes:100g')"
HOT_SHARE: Final = 0.01
# Table -> key and the column that the update changes; one key in a thousand is taken.
_UPDATED: Final = {
    "supplier": ("s_suppkey", "s_comment"),
    "customer": ("c_custkey", "c_comment"),
    "part": ("p_partkey", "p_comment"),
    "partsupp": ("ps_partkey", "ps_comment"),
    "orders": ("o_orderkey", "o_comment"),
    "lineitem": ("l_orderkey", "l_comment"),
}


def queries(step: int = 1) -> dict[str, str]:
    """Q1, Q1 + step, .. Q22 -> text."""
    files = sorted((Path(__file__).parent / "tpch").glob("q*.sql"))[::step]
    return {f"Q{int(file.stem[1:])}": file.read_text(encoding="utf-8").strip() for file in files}


def tpch_files(data: Path, factor: float) -> Path:
    """The directory with `TABLE.parquet`; made when it is not there."""
    directory = data / f"tpch-sf{factor:g}"
    if not (directory / "done").exists():
        directory.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).with_name("tpchgen-cli")
        subprocess.run([program, "parquet", "-s", f"{factor:g}", "--output-dir", directory], check=True)
        (directory / "done").touch()
    return directory


def tpch_rows(directory: Path, table: str) -> pa.RecordBatchReader:
    """The rows, with string views made strings."""
    file = pq.ParquetFile(directory / f"{table}.parquet")
    views = {pa.string_view(): pa.string()}
    schema = pa.schema([pa.field(f.name, views.get(f.type, f.type)) for f in file.schema_arrow])

    def batches() -> Iterator[pa.RecordBatch]:
        with closing(file):
            for batch in file.iter_batches(BATCH_ROWS):
                yield batch.cast(schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def load(server: Server, directory: Path) -> None:
    """Both namespaces, all eight tables."""
    server.run(f"CREATE NAMESPACE {COLD}", f"CREATE NAMESPACE {MIXED}")
    with closing(FlightSql(server.uri)) as client:
        for table in TABLES:
            rows = tpch_rows(directory, table).read_all()
            _load_cold(server, client, table, rows)
            _load_mixed(server, client, table, rows)


def create_text(namespace: str, table: str, schema: pa.Schema) -> str:
    columns = ", ".join(f"{field.name} {sql_type_name(field.type)}" for field in schema)
    return f"CREATE TABLE {namespace}.{table} ({columns}) {NEVER_FLUSHED}"


def _load_cold(server: Server, client: FlightSql, table: str, rows: pa.Table) -> None:
    server.run(create_text(COLD, table, rows.schema))
    client.put(ingest_into(table, COLD), rows)
    server.flush(f"TABLE {COLD}.{table}")


def _load_mixed(server: Server, client: FlightSql, table: str, rows: pa.Table) -> None:
    server.run(create_text(MIXED, table, rows.schema))
    hot_rows = int(rows.num_rows * HOT_SHARE)
    client.put(ingest_into(table, MIXED), rows.slice(0, rows.num_rows - hot_rows))
    server.flush(f"TABLE {MIXED}.{table}")
    if hot_rows:
        client.put(ingest_into(table, MIXED), rows.slice(rows.num_rows - hot_rows))
    if table in _UPDATED:
        key, column = _UPDATED[table]
        server.run(f"UPDATE {MIXED}.{table} SET {column} = {column} || '.' WHERE {key} % 1000 = 7")
