"""System tables of where rows are: storages, partitions and their Parquet files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from flight_server.sql.system.sources import BIG, BOOL, INT, MS, TEXT, Sources, SystemTable, columns
from storage.catalog.storages import LOCAL
from storage.seq import ms_of
from storage.state.state import DatabaseState


def _storages(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    """`local` first. Of credentials only whether there are some."""
    tables = Counter(table.options.storage for table in state.catalog.tables.values())
    for storage in sorted(state.catalog.storages.values(), key=lambda s: (s.name != LOCAL, s.name)):
        yield (
            *(storage.name, str(storage.type), storage.uri or None, storage.region or None, storage.endpoint or None),
            *(bool(storage.credentials), storage.shared_template, storage.user_template, storage.sharding),
            *(storage.description, tables[storage.name], storage.created_ms or None),
        )


def _cold_files(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        for file in state.partition(table.partition_id).cold:
            yield (
                *(
                    table.name.namespace,
                    table.name.table,
                    table.partition_id,
                    file.file_id,
                    file.storage,
                    file.path,
                    file.rows,
                    file.bytes,
                ),
                *(file.seq_min, file.seq_max, file.schema_version, file.checksum, file.created_ms),
            )


def _partitions(_: Sources, state: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for table in state.catalog.tables.values():
        partition = state.partition(table.partition_id)
        yield (
            *(partition.partition_id, table.name.namespace, table.name.table, partition.rows, partition.hot_rows),
            *(partition.hot_bytes, len(partition.hot), len(partition.cold), len(partition.deletes)),
            *(_time_of(partition.deletes.oldest_commit), _time_of(partition.purged_seq)),
        )


def _time_of(seq: int | None) -> int | None:
    """The commit's time in ms; None for no commit."""
    return ms_of(seq) if seq else None


TABLES = (
    SystemTable(
        "storages",
        columns(
            storage=TEXT,
            type=TEXT,
            uri=TEXT,
            region=TEXT,
            endpoint=TEXT,
            has_credentials=BOOL,
            shared_template=TEXT,
            user_template=TEXT,
            sharding=TEXT,
            description=TEXT,
            tables=BIG,
            created=MS,
        ),
        _storages,
        Action.SEE_FIGURES,
    ),
    SystemTable(
        "cold_files",
        columns(
            namespace=TEXT,
            table=TEXT,
            partition_id=BIG,
            file_id=BIG,
            storage=TEXT,
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
            oldest_deleted=MS,
            purged_up_to=MS,
        ),
        _partitions,
    ),
)
