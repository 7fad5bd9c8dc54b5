"""Rows on their way into cold files and back out of S3: flush, compaction, and a query over a bucket that answers late.

In this process, on the engine itself: Flight would only add the same to both sides.
"""

from __future__ import annotations

import shutil
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from datafusion import SessionContext
from datafusion.object_store import AmazonS3

from bench.cold_file import write_cold_file
from bench.figures import Figure, at_least, at_most
from bench.keyed_table import rows_of
from bench.measure import in_turn, timed
from bench.peers import datafusion
from bench.processes import late_s3
from bench.scale import Run
from flight_server.query.engine import QueryEngine
from flight_server.query.scan.cold_scan import list_scan
from flight_server.query.scan.scope import QueryScope
from flight_server.query.sessions.settings import QuerySettings
from storage.catalog.credentials import S3Credentials
from storage.catalog.names import TableName
from storage.catalog.schema import SEQ, Column, TableDef, TableKind
from storage.catalog.storages import StorageDef, StorageType
from storage.catalog.table_options import TableOptions
from storage.clock import SystemClock
from storage.engine import Engine
from storage.maintenance.compaction import compact_partition, plan_compaction
from storage.maintenance.flush import flush_partition
from storage.settings import StorageSettings
from storage.state.edits import Edit, RowChange

LATE_SECONDS: Final = 0.005
BUCKET: Final = "frostline-bench"
KEYS: Final = S3Credentials(access_key_id="bench", secret_access_key="bench")
FILES: Final = 10
BATCH_ROWS: Final = 65_536
AGGREGATE: Final = "SELECT kind, count(*) AS n, sum(amount) AS amount, max(id) AS last FROM t GROUP BY kind"


def flush_and_compact(run: Run) -> Iterator[Figure]:
    """The peer writes the same rows with the same options, but does not sync, read back, compare or commit."""
    rows = rows_of(run.scale.key_rows)
    path = run.data / "peer.parquet"
    with _engine(run.data / "engine") as engine:
        table = _table(engine, "t")

        def flush() -> float:
            _insert(engine, table, rows)
            return timed(lambda: flush_partition(engine, table, engine.state.partition(table.table_id), _never))()

        def compact() -> float:
            halved = _halved(engine, rows)
            return timed(lambda: _compact(engine, halved))()

        with_seq = rows.add_column(0, SEQ, pa.array(range(len(rows)), pa.int64()))
        turns = in_turn(flush, timed(lambda: write_cold_file(with_seq, path)), rounds=run.scale.rounds)
        mib = engine.state.partition(table.table_id).cold[-1].bytes / (1 << 20)
        halves = _written_halves(with_seq, run.data)
        compacting = in_turn(
            compact, timed(lambda: write_cold_file(_read(halves), path)), rounds=min(run.scale.rounds, 3)
        )
    name = f"flush of {len(rows) // 1000} k rows vs pyarrow writing the file"
    yield Figure(name, "MiB/s", mib / turns[0], mib / turns[1], at_least(0.9), turns.rates())
    name = f"compaction of two files with {len(rows) // 1000} k rows vs pyarrow reading and writing them"
    yield Figure(name, "MiB/s", mib / compacting[0], mib / compacting[1], at_least(0.6), compacting.rates())


def cold_in_s3(run: Run) -> Iterator[Figure]:
    """The peer: bare DataFusion with the same settings, given the same list of files; and given their folder, whose
    listing it keeps, so that it needs one request less for each file and would see no new one."""
    rows = rows_of(run.scale.growth_rows)
    with late_s3(run.data, LATE_SECONDS) as url, _engine(run.data / "engine") as engine:
        _client(url).create_bucket(Bucket=BUCKET)
        storage = _storage(engine, url)
        engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(storage)))
        table = _table(engine, "t", storage="late")
        step = -(-len(rows) // FILES)
        for start in range(0, len(rows), step):
            _insert(engine, table, rows.slice(start, step))
            flush_partition(engine, table, engine.state.partition(table.table_id), _never)
        queries = QueryEngine(QuerySettings(result_cache_bytes_max=0), run.data / "spill", engine.file_stores)
        bare = _bare(url, [file.path for file in engine.state.partition(table.table_id).cold])

        def ask() -> pa.Table:
            plan = queries.plan(AGGREGATE, QueryScope(state=engine.state))
            return queries.collect(plan, _never)

        def asked_of(peer: str) -> Callable[[], pa.Table]:
            return lambda: bare.sql(AGGREGATE.replace("FROM t", f"FROM {peer}")).to_arrow_table()

        assert ask().sort_by("kind").to_pydict() == asked_of("listed")().sort_by("kind").to_pydict()
        sides = timed(ask), timed(asked_of("listed")), timed(asked_of("folder"))
        turns = in_turn(*sides, rounds=run.scale.rounds)
        queries.close()
    ours, listed, folder = (seconds * 1e3 for seconds in turns)
    name = f"GROUP BY over {FILES} files in S3, {LATE_SECONDS * 1e3:g} ms late, vs DataFusion"
    yield Figure(name, "ms", ours, listed, at_most(1.15), turns.times())
    yield Figure("the same, vs DataFusion that keeps the folder's listing", "ms", ours, folder, ratios=turns.times(2))


@contextmanager
def _engine(directory: Path) -> Iterator[Engine]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / "key").write_bytes(b64encode(bytes(32)))
    settings = StorageSettings(hot_bytes_max=8 << 30, secrets_key_file=str(directory / "key"))
    engine = Engine.open(directory / "data", settings, SystemClock())
    try:
        yield engine
    finally:
        engine.close()
        shutil.rmtree(directory, ignore_errors=True)


def _table(engine: Engine, name: str, **options: Any) -> TableDef:
    schema = rows_of(1).schema
    table = TableDef(
        table_id=engine.new_id(),
        name=TableName("public", name),
        kind=TableKind.SHARED,
        columns=tuple(Column(name=f.name, physical_name=f.name, type=f.type, sql_type=str(f.type)) for f in schema),
        options=TableOptions(deleted_retention_seconds=0, **options),
    )
    engine.commit(Edit(catalog=lambda catalog: catalog.with_new_table(table)))
    return engine.state.catalog.tables[table.name]


def _insert(engine: Engine, table: TableDef, rows: pa.Table) -> None:
    for batch in rows.combine_chunks().to_batches(BATCH_ROWS):
        engine.commit(Edit(rows=(RowChange(table=table, inserts=(batch.cast(table.physical_schema),)),)))


def _halved(engine: Engine, rows: pa.Table) -> TableDef:
    """A table of two files with half of the rows each."""
    table = _table(engine, f"halved{len(engine.state.catalog.tables)}")
    half = len(rows) // 2
    for part in (rows.slice(0, half), rows.slice(half)):
        _insert(engine, table, part)
        flush_partition(engine, table, engine.state.partition(table.table_id), _never)
    return table


def _compact(engine: Engine, table: TableDef) -> None:
    partition = engine.state.partition(table.table_id)
    plan = plan_compaction(table, partition, engine.settings, time.time_ns() // 1_000_000, force=True)
    assert plan is not None
    compact_partition(engine, table, partition, plan, _never)


def _written_halves(rows: pa.Table, directory: Path) -> tuple[Path, ...]:
    half, paths = len(rows) // 2, (directory / "half1.parquet", directory / "half2.parquet")
    for part, path in zip((rows.slice(0, half), rows.slice(half)), paths, strict=True):
        write_cold_file(part, path)
    return paths


def _read(paths: Sequence[Path]) -> pa.Table:
    return pa.concat_tables([pq.read_table(path, page_checksum_verification=True) for path in paths])


def _storage(engine: Engine, url: str) -> StorageDef:
    return StorageDef(
        name="late",
        type=StorageType.S3,
        uri=f"s3://{BUCKET}/lake",
        region="us-east-1",
        endpoint=url,
        credentials=engine.secrets.seal(KEYS),
        claim="benchmark",
    )


def _bare(url: str, paths: Sequence[str]) -> SessionContext:
    context = datafusion()
    store = AmazonS3(
        bucket_name=BUCKET,
        region="us-east-1",
        access_key_id=KEYS.access_key_id,
        secret_access_key=KEYS.secret_access_key,
        endpoint=url,
        allow_http=True,
    )
    context.register_object_store("s3://", store, BUCKET)
    base = f"s3://{BUCKET}/lake"
    context.register_parquet("folder", f"{base}/{paths[0].rpartition('/')[0]}/")
    schema = pa.schema([field.with_nullable(True) for field in rows_of(1).schema])
    listed = list_scan(context, [f"{base}/{path}" for path in paths], schema)
    context.register_table("listed", listed.into_view())
    return context


def _client(url: str) -> Any:
    keys = {"aws_access_key_id": KEYS.access_key_id, "aws_secret_access_key": KEYS.secret_access_key}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


def _never() -> bool:
    return False
