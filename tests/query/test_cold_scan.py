"""The list-of-files scan: the trick with plan bytes, and what is kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datafusion import RuntimeEnvBuilder, SessionContext

from flight_server.query.scan.cold_scan import FILES_MAX, PLANS_MIN, SETS_A_GROUP, ColdScans, list_scan, with_paths
from flight_server.query.sessions.contexts import Contexts
from flight_server.query.sessions.file_turnover import no_turnover
from flight_server.query.sessions.settings import QuerySettings
from storage.cold.file_store import only_local
from storage.cold.local_store import LocalStore
from storage.state.state import ColdFile

SCHEMA = pa.schema([("a", pa.int64()), ("s", pa.string()), ("later", pa.list_(pa.int32()))])


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Three files that lack `later`, one of narrower `a`, in a folder with a fourth that must not be seen."""
    made = []
    for i, kind in enumerate([pa.int64(), pa.int32(), pa.int64(), pa.int64()]):
        path = tmp_path / f"{i} délai {'x' * 200}.parquet"
        pq.write_table(pa.table({"a": pa.array([i, i + 10], kind), "s": [f"s{i}", None]}), path)
        made.append(str(path))
    return made[:3]


def as_rows(batches: list[pa.RecordBatch]) -> list[tuple[object, ...]]:
    return sorted((tuple(row.values()) for batch in batches for row in batch.to_pylist()), key=repr)


def test_a_list_scan_equals_the_union_of_single_reads(paths: list[str]):
    context = SessionContext()
    listed = list_scan(context, paths, SCHEMA)
    singles = [context.read_parquet(path, schema=SCHEMA).collect() for path in paths]
    assert listed.schema() == SCHEMA
    assert as_rows(listed.collect()) == as_rows([batch for batches in singles for batch in batches])
    assert len(as_rows(listed.collect())) == 6


def test_a_kept_scan_serves_other_contexts_and_counts_from_statistics(paths: list[str]):
    scan = list_scan(SessionContext(), paths, SCHEMA)
    for _ in range(2):
        other = SessionContext()
        other.register_table("t", scan.into_view())
        assert other.table("t").count() == 6


def test_another_plan_than_a_listing_scan_is_refused():
    message = SessionContext().empty_table().logical_plan().to_bytes()
    with pytest.raises(AssertionError, match="datafusion has changed"):
        with_paths(message, ["/x.parquet"])


def test_scans_are_kept_by_key_and_the_least_used_leaves_first(paths: list[str], tmp_path: Path):
    scans = ColdScans(SessionContext(), only_local(LocalStore(tmp_path)), plans_max=2)
    files = [cold_file(Path(path).name) for path in paths]
    first = scans.scan("first", files, SCHEMA)
    second = scans.scan("second", files[:1], SCHEMA)
    assert scans.scan("first", files, SCHEMA) is first
    scans.scan("third", files[1:], SCHEMA)
    assert len(scans) == 2
    assert scans.scan("first", files, SCHEMA) is first
    assert scans.scan("second", files[:1], SCHEMA) is not second


def test_of_a_table_that_gets_new_files_all_the_while_few_scans_are_kept(paths: list[str], tmp_path: Path):
    scans = ColdScans(SessionContext(), only_local(LocalStore(tmp_path)), plans_max=512)
    one = cold_file(Path(paths[0]).name)
    files = [msgspec.structs.replace(one, file_id=number) for number in range(1, 101)]
    oldest = scans.scan("small", files[:1], SCHEMA)
    other = scans.scan("other", files[:1], SCHEMA)
    for count in range(1, 101):
        newest = scans.scan("small", files[:count], SCHEMA)
        assert scans.scan("small", files[:count], SCHEMA) is newest
    assert len(scans) == SETS_A_GROUP + 1
    assert scans.scan("other", files[:1], SCHEMA) is other
    assert scans.scan("small", files[:1], SCHEMA) is not oldest


def test_long_lists_of_files_leave_earlier(paths: list[str], tmp_path: Path):
    scans = ColdScans(SessionContext(), only_local(LocalStore(tmp_path)), plans_max=512)
    files = [cold_file(Path(path).name) for path in paths] * 300
    for number in range(40):
        scans.scan(number, files, SCHEMA)
        assert len(scans) <= max(PLANS_MIN, FILES_MAX // len(files))
    for number in range(100):
        scans.scan(("short", number), files[:1], SCHEMA)
    assert len(scans) > 100


@pytest.mark.parametrize("partitions", [None, 1])
def test_what_a_context_remembers_of_files_is_bounded(partitions: int | None):
    contexts = Contexts(QuerySettings(), RuntimeEnvBuilder(), no_turnover())
    for context in (contexts.runner("+00:00", partitions=partitions), contexts.base()):
        context.sql("SET datafusion.catalog.information_schema = true")
        for cache in ("metadata_cache", "file_statistics_cache"):
            [shown] = context.sql(f"SHOW datafusion.runtime.{cache}_limit").to_pydict()["value"]
            assert shown in ("4M", "16M")


def cold_file(path: str) -> ColdFile:
    return ColdFile(
        file_id=1, path=path, rows=2, bytes=1, seq_min=1, seq_max=2, schema_version=1, checksum="", column_names=()
    )
