"""System tables of where rows are: partitions and their Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flight_server.access.rights import Rights
from flight_server.sql.system.sources import BIG, INT, MS, TEXT, Sources, SystemTable, columns
from storage.state import DatabaseState


def _cold_files(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for file in state.partition(table.partition_id).cold:
            yield (
                *(table.name.namespace, table.name.table, file.file_id, file.path, file.rows, file.bytes),
                *(file.seq_min, file.seq_max, file.schema_version, file.checksum, file.created_ms),
            )


def _partitions(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        partition = state.partition(table.partition_id)
        yield (
            *(partition.partition_id, table.name.namespace, table.name.table, partition.rows, partition.hot_rows),
            *(partition.hot_bytes, len(partition.hot), len(partition.cold), len(partition.deletes)),
        )


TABLES = (
    SystemTable(
        "cold_files",
        columns(
            namespace=TEXT,
            table=TEXT,
            file_id=BIG,
            path=TEXT,
            rows=BIG,
            bytes=BIG,
            seq_min=BIG,
            seq_max=BIG,
            schema_version=INT,
            checksum=TEXT,
            created=MS,
        ),
        _cold_files,
    ),
    SystemTable(
        "partitions",
        columns(
            partition_id=BIG,
            namespace=TEXT,
            table=TEXT,
            rows=BIG,
            hot_rows=BIG,
            hot_bytes=BIG,
            hot_batches=BIG,
            cold_files=BIG,
            deleted_versions=BIG,
        ),
        _partitions,
    ),
)
