"""The parts we stand on, used bare: DataFusion and DuckDB in this process over our own cold files, RocksDB alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext
from rocksdict import Options, Rdict, WriteBatch

from flight_server.query.sessions.settings import QuerySettings

KEYS_WRITTEN_AT_ONCE: Final = 65_536


def datafusion() -> SessionContext:
    """With the settings that our server's query engine has."""
    settings = QuerySettings()
    os.environ.setdefault("TOKIO_WORKER_THREADS", str(max(16, 4 * settings.target_partitions)))
    config = SessionConfig(
        {
            "datafusion.execution.parquet.schema_force_view_types": "false",
            "datafusion.execution.parquet.pushdown_filters": "false",
            "datafusion.sql_parser.map_string_types_to_utf8view": "false",
            "datafusion.execution.time_zone": "+00:00",
        }
    )
    config = config.with_target_partitions(settings.target_partitions).with_batch_size(settings.batch_rows)
    return SessionContext(config, RuntimeEnvBuilder().with_fair_spill_pool(settings.memory_bytes_max))


def datafusion_over(folders: Mapping[str, Path]) -> SessionContext:
    """Table name -> the folder with its Parquet files."""
    context = datafusion()
    for name, folder in folders.items():
        context.register_parquet(name, f"{folder}/")
    return context


def duckdb_over(folders: Mapping[str, Path]) -> Any:
    """A connection with a view for each folder, and as many threads as there are processors."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = {os.cpu_count() or 1}")
    for name, folder in folders.items():
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{folder}/*.parquet')")
    return connection


@contextmanager
def rocksdb(directory: Path) -> Iterator[Rdict]:
    """An empty store, removed at the end."""
    shutil.rmtree(directory, ignore_errors=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    store = Rdict(str(directory), options)
    try:
        yield store
    finally:
        store.close()
        shutil.rmtree(directory, ignore_errors=True)


def write_keys(store: Rdict, keys: Sequence[bytes]) -> None:
    """Eight bytes under each key, and one sync at the end."""
    for offset in range(0, len(keys), KEYS_WRITTEN_AT_ONCE):
        batch = WriteBatch(raw_mode=True)
        for key in keys[offset : offset + KEYS_WRITTEN_AT_ONCE]:
            batch.put(key, key)
        store.write(batch)
    store.flush_wal(True)


def key_bytes(ids: pa.Array) -> list[bytes]:
    """Big-endian, as an ordered key has to be."""
    return [int(number).to_bytes(8, "big") for number in ids.to_numpy()]
