"""Cold files in S3, against a real HTTP service: written, read back with others, swept, fenced; and what goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from flight_server.query import QueryEngine, QueryScope
from flight_server.query.sessions.settings import QuerySettings
from storage.catalog.credentials import KEY_VARIABLE, S3Credentials, SecretBox, read_credentials, secret_box
from storage.catalog.folder_templates import portable_folder_name
from storage.catalog.names import TableName, quoted
from storage.catalog.schema import PORTABLE, TableDef
from storage.catalog.storages import LOCAL
from storage.cold.folder_store import PROBE
from storage.cold.ownership_marker import MARKER
from storage.cold.s3_client import CHECKSUM_KEY, prepared
from storage.errors import Corruption, InvalidRequest, StorageUnavailable
from storage.maintenance.sweep import sweep
from storage.state.edits import Edit
from tests.faults.s3_proxy import PASS, Fault, objects_only
from tests.storage.s3_furniture import S3_SETTINGS, Cloud, cloud, cloud_storage
from tests.storage.storage_folders import folder_storage
from tests.support.s3_endpoint import S3Endpoint
from tests.support.storage_builders import (
    alter,
    compact,
    delete,
    files_on_disk,
    flush,
    insert,
    make_table,
    now,
    opened,
    partition,
    values,
    verify_cold_files,
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[S3Endpoint]:
    with S3Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def here(tmp_path: Path, endpoint: S3Endpoint) -> Iterator[Cloud]:
    with cloud(tmp_path / "data", endpoint) as opened_cloud:
        yield opened_cloud


@pytest.fixture
def queries(tmp_path: Path, here: Cloud) -> Iterator[QueryEngine]:
    engine = QueryEngine(QuerySettings(memory_bytes_max=64 << 20), tmp_path / "spill", here.engine.file_stores)
    yield engine
    engine.close()


def ask(queries: QueryEngine, here: Cloud, sql: str) -> list[tuple[object, ...]]:
    plan = queries.plan(sql, QueryScope(state=here.engine.state))
    return [tuple(row.values()) for row in queries.collect(plan, lambda: False).to_pylist()]


def cold_table(here: Cloud, rows: int = 3, name: str = "t") -> TableDef:
    """One with a file in the bucket."""
    table = make_table(here.engine, name, key=("k",), storage="cloud")
    insert(here.engine, table, *((n, f"v{n}") for n in range(rows)))
    flush(here.engine, table)
    return table


ODD_NAMES = ("é", "a b", "A/../b", "%41", "+ @~", "🦀" * 64, 'q"x', "x.parquet", "*?[1]", "_x")


@pytest.mark.parametrize("name", ODD_NAMES, ids=lambda name: ascii(name)[:20])
def test_a_table_of_any_name_is_written_to_the_bucket_and_read(here: Cloud, queries: QueryEngine, name: str):
    table = alter(here.engine, cold_table(here), folder_rule=PORTABLE)
    here.engine.commit(Edit(catalog=lambda catalog: catalog.with_renamed_table(table, TableName("public", name))))
    table = now(here.engine, table)
    insert(here.engine, table, (7, "seven"))
    flush(here.engine, table)
    old, new = partition(here.engine, table).cold
    assert here.keys == {here.key(old), here.key(new)}
    assert new.path.isascii()
    assert new.path.split("/")[1] == portable_folder_name(name)
    assert ask(queries, here, f"SELECT count(*) FROM {quoted(name)}") == [(4,)]
    verify_cold_files(here.engine)


def test_create_storage_s3(here: Cloud, queries: QueryEngine):
    here.engine.file_stores.get("cloud").probe()
    assert here.keys == set()
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    assert file.storage == "cloud"
    assert here.keys == {here.key(file)}
    assert len(here.endpoint.content(here.bucket, here.key(file))) == file.bytes
    assert ask(queries, here, "SELECT count(*), max(v) FROM t") == [(3, "v2")]
    assert values(here.engine, table) == [0, 1, 2]
    assert list((here.engine.directory / "spool").rglob("*.p*")) == []


def test_files_here_and_there_are_one_table(tmp_path: Path, here: Cloud, queries: QueryEngine):
    engine = here.engine
    engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(folder_storage(tmp_path / "archive"))))
    second = cloud_storage(engine, here.endpoint, here.endpoint.new_bucket(), here.proxy.url, "second")
    engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(second)))
    table = make_table(engine, key=("k",))
    for number, storage in enumerate([LOCAL, "cloud", "archive", "second"]):
        options = msgspec.structs.replace(now(engine, table).options, storage=storage)
        table = alter(engine, table, options=options)
        insert(engine, table, (number, storage))
        flush(engine, table)
    insert(engine, table, (4, "hot"))
    delete(engine, table, "k", 1)
    assert ask(queries, here, "SELECT k, v FROM t ORDER BY k") == [
        (0, "local"),
        (2, "archive"),
        (3, "second"),
        (4, "hot"),
    ]
    assert ask(queries, here, "SELECT count(*) FROM t a JOIN t b ON a.k = b.k") == [(4,)]
    compact(engine, table)
    assert {file.storage for file in partition(engine, table).cold} == {"second"}
    assert ask(queries, here, "SELECT sum(k) FROM t") == [(9,)]
    sweep(engine)
    assert here.keys == files_on_disk(engine) == set()


def test_one_row_is_read_by_ranges(here: Cloud):
    table = cold_table(here, rows=100)
    for _ in range(3):  # the first time a row group is only noted, then it is read and kept
        row = here.engine.rows.row(here.engine.state, now(here.engine, table), 42)
    assert row is not None
    assert row.to_pylist() == [{"k": 42, "v": "v42"}]


def test_a_large_file_goes_up_in_parts(here: Cloud, queries: QueryEngine):
    table = make_table(here.engine, storage="cloud", compression="none", columns={"k": pa.int64(), "v": pa.binary()})
    for number in range(12):
        insert(here.engine, table, (number, os.urandom(1 << 20)))
    before = here.proxy.seen["POST"]
    flush(here.engine, table)
    assert here.proxy.seen["POST"] == before + 2  # begun, completed
    [file] = partition(here.engine, table).cold
    assert file.bytes > 2 * S3_SETTINGS.s3_part_bytes
    here.engine.file_stores.of(file).verify(file.path, file.checksum)
    assert ask(queries, here, "SELECT count(*), count(DISTINCT v) FROM t") == [(12, 12)]


def test_user_names_with_odd_characters_are_found_again(here: Cloud, queries: QueryEngine):
    files = here.engine.file_stores.get("cloud")
    for name in ("a+b@c.d~e", "%2Ehidden", "x-y_z"):
        path = f"n/t/{name}/2020-01-01T00-00-00-1.parquet"
        part = files.part(path)
        part.parent.mkdir(parents=True, exist_ok=True)
        pa.parquet.write_table(pa.table({"a": [1, 2]}), part)
        files.publish(path, prepared(part, 5 << 20).checksum)
        context = queries._base
        queries._scans._cold._connect(files)
        assert context.read_parquet(files.url(path)).count() == 2
        assert path in {listed for listed, _ in files.listed()}


def test_what_nothing_names_is_swept_and_nothing_else(here: Cloud):
    table = cold_table(here)
    other = "lake/public/t/somebody.parquet"
    orphan = "lake/public/t/2020-01-01T00-00-00-1f.parquet"
    for key in (other, orphan, "elsewhere/public/t/2020-01-01T00-00-00-1f.parquet"):
        here.endpoint.client.put_object(Bucket=here.bucket, Key=key, Body=b"x")
    assert sweep(here.engine).files == 1
    [file] = partition(here.engine, table).cold
    assert here.keys == {here.key(file), other, "elsewhere/public/t/2020-01-01T00-00-00-1f.parquet"}


def test_a_second_database_is_kept_out_by_the_marker(tmp_path: Path, here: Cloud):
    cold_table(here)
    before = here.keys
    with opened(tmp_path / "other", settings=here.engine.settings) as second:
        theirs = msgspec.structs.replace(here.definition, claim="0" * 32)
        second.commit(Edit(catalog=lambda catalog: catalog.with_storage(theirs)))
        table = make_table(second, storage="cloud")
        insert(second, table, (7, "x"))
        with pytest.raises(StorageUnavailable, match=f"another database keeps its files.*{MARKER}"):
            flush(second, table)
        sweep(second)
        second.file_stores.get("cloud").give_up_ownership()
        assert values(second, table) == [7]
    here.engine.file_stores.get("cloud").probe()  # it is ours still
    assert here.endpoint.content(here.bucket, f"lake/{MARKER}")
    assert here.keys == before


# --- what is found before it is read ---------------------------------------------------------------------------


def test_a_file_that_is_gone_is_no_empty_table(here: Cloud, queries: QueryEngine):
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]
    here.endpoint.client.delete_object(Bucket=here.bucket, Key=here.key(file))
    for sql in ("SELECT count(*) FROM t", "SELECT v FROM t WHERE k = 1"):
        with pytest.raises(Corruption, match="is missing in storage 'cloud'"):
            ask(queries, here, sql)


def test_another_file_under_the_name_is_found(here: Cloud, queries: QueryEngine):
    one, two = cold_table(here, name="one"), cold_table(here, name="two")
    [file], [other] = partition(here.engine, one).cold, partition(here.engine, two).cold
    content = here.endpoint.content(here.bucket, here.key(file))
    damaged = bytes([content[0], content[1], content[2] ^ 1]) + content[3:]
    swapped = here.endpoint.client.get_object(Bucket=here.bucket, Key=here.key(other))
    for body, metadata, found in (
        (content[:-1], {CHECKSUM_KEY: file.checksum}, "another size"),
        (damaged, {}, "does not match its checksum"),
        (content, swapped["Metadata"], "not the one that was written"),
    ):
        here.endpoint.client.put_object(Bucket=here.bucket, Key=here.key(file), Body=body, Metadata=metadata)
        with pytest.raises(Corruption, match=found):
            ask(queries, here, "SELECT sum(k) FROM one")
    assert ask(queries, here, "SELECT sum(k) FROM two") == [(3,)]


def test_a_copy_without_metadata_is_read_whole_once_and_then_trusted(here: Cloud, queries: QueryEngine):
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    content = here.endpoint.content(here.bucket, here.key(file))
    here.endpoint.client.put_object(Bucket=here.bucket, Key=here.key(file), Body=content)
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]


def test_damage_below_the_metadata_is_found_by_the_scrub_and_by_compaction(here: Cloud):
    table = cold_table(here)
    [file] = partition(here.engine, table).cold
    content = here.endpoint.content(here.bucket, here.key(file))
    damaged = content[:100] + bytes([content[100] ^ 4]) + content[101:]
    metadata = {CHECKSUM_KEY: file.checksum}
    here.endpoint.client.put_object(Bucket=here.bucket, Key=here.key(file), Body=damaged, Metadata=metadata)
    with pytest.raises(Corruption, match="does not match its checksum"):
        verify_cold_files(here.engine)
    delete(here.engine, make_table(here.engine, "other"), "k")
    insert(here.engine, table, (100, "x"))
    flush(here.engine, table)
    with pytest.raises(Corruption, match="does not match its checksum"):
        compact(here.engine, table)


# --- faults ----------------------------------------------------------------------------------------------------

PASSING = {
    "500 once": Fault(status=500),
    "503 SlowDown once": Fault(status=503),
    "reset in the middle of the upload": Fault(cut_upload=1000),
    "reset at once": Fault(cut_upload=0),
    "done, but the answer is lost": Fault(lost=True),
}


@pytest.mark.parametrize("name", PASSING)
def test_an_upload_gets_through(here: Cloud, name: str):
    here.engine.file_stores.get("cloud").probe()
    here.proxy.first(1, PASSING[name], "PUT")
    table = cold_table(here, rows=200)
    here.proxy.heal()
    [file] = partition(here.engine, table).cold
    assert here.keys == {here.key(file)}
    assert verify_cold_files(here.engine) == 1
    assert values(here.engine, table) == list(range(200))


def test_the_answer_to_the_end_of_an_upload_in_parts_may_be_lost(here: Cloud):
    here.engine.file_stores.get("cloud").probe()
    table = make_table(here.engine, storage="cloud", compression="none", columns={"k": pa.int64(), "v": pa.binary()})
    insert(here.engine, table, (1, os.urandom(11 << 20)))
    done: list[bool] = []

    def lose_the_end(method: str, path: str) -> Fault:
        if method == "POST" and "uploadId=" in path and not done:
            done.append(True)
            return Fault(lost=True)
        return PASS

    here.proxy.fault = lose_the_end
    flush(here.engine, table)
    assert done
    assert verify_cold_files(here.engine) == 1


FAILING = {
    "timeout": (Fault(stall=True), "can't be reached"),
    "500 for ever": (Fault(status=500), "answers 500"),
    "503 for ever": (Fault(status=503), "slow down"),
    "403": (Fault(status=403), "access is denied"),
    "reset for ever": (Fault(cut_upload=0), "can't be reached"),
}


@pytest.mark.parametrize("name", FAILING)
def test_an_upload_that_does_not_get_through_leaves_the_rows_hot(here: Cloud, name: str):
    fault, said = FAILING[name]
    here.engine.file_stores.get("cloud").probe()
    table = make_table(here.engine, key=("k",), storage="cloud")
    insert(here.engine, table, *((n, "x") for n in range(100)))
    calls = here.proxy.seen["PUT"]
    here.proxy.fault = lambda method, path: fault if method == "PUT" and objects_only(path) else PASS
    with pytest.raises(StorageUnavailable, match=said):
        flush(here.engine, table)
    tries = here.proxy.seen["PUT"] - calls
    assert tries == (1 if name == "403" else S3_SETTINGS.s3_attempts_max)
    assert here.engine.health == "ok"
    here.proxy.heal()
    assert here.keys == set()
    assert not here.engine.file_stores.is_writing("cloud")
    assert values(here.engine, table) == list(range(100))
    flush(here.engine, table)
    assert verify_cold_files(here.engine) == 1


def test_a_flush_to_an_unreachable_storage_ends_before_it_writes_anything(here: Cloud):
    here.engine.file_stores.get("cloud").probe()
    table = make_table(here.engine, storage="cloud")
    insert(here.engine, table, (1, "x"))
    calls = here.proxy.seen["PUT"]
    here.proxy.always(Fault(status=403))
    with pytest.raises(StorageUnavailable, match="access is denied"):
        flush(here.engine, table)
    assert here.proxy.seen["PUT"] == calls
    assert values(here.engine, table) == [1]


def test_a_wrong_etag_in_the_answers_harms_nothing(here: Cloud, queries: QueryEngine):
    here.proxy.always(Fault(wrong_etag=True))
    cold_table(here)
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]
    here.proxy.heal()
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]


def test_an_answer_that_breaks_off_is_taken_up_again(here: Cloud):
    table = cold_table(here, rows=3000)
    [file] = partition(here.engine, table).cold
    here.proxy.first(1, Fault(cut_answer=file.bytes // 2), "GET")
    assert verify_cold_files(here.engine) == 1
    here.proxy.always(Fault(cut_answer=file.bytes // 8))
    with pytest.raises(StorageUnavailable):
        verify_cold_files(here.engine)


def test_slow_pieces_and_late_answers_are_waited_for(here: Cloud, queries: QueryEngine):
    here.proxy.always(Fault(delay_seconds=0.02, piece_bytes=1500))
    table = cold_table(here, rows=1000)
    assert verify_cold_files(here.engine) == 1
    assert ask(queries, here, "SELECT count(*), sum(k) FROM t") == [(1000, 499500)]
    assert values(here.engine, table) == list(range(1000))


def test_a_query_of_an_unreachable_storage_says_so_and_others_go_on(here: Cloud, queries: QueryEngine):
    cold_table(here)
    local = make_table(here.engine, "near")
    insert(here.engine, local, (1, "x"))
    flush(here.engine, local)
    here.proxy.always(Fault(status=403))
    with pytest.raises(StorageUnavailable, match="storage 'cloud' refused"):
        ask(queries, here, "SELECT count(*) FROM t")
    assert ask(queries, here, "SELECT count(*) FROM near") == [(1,)]
    with pytest.raises(StorageUnavailable):
        sweep(here.engine)
    here.proxy.heal()
    assert ask(queries, here, "SELECT count(*) FROM t") == [(3,)]


def test_a_probe_tells_what_is_wrong(here: Cloud):
    place = here.engine.file_stores.get("cloud")
    here.proxy.always(Fault(status=403))
    with pytest.raises(StorageUnavailable, match=r"access is denied \(403\); check its credentials"):
        place.probe()
    here.proxy.heal()
    here.alter(lambda storage: msgspec.structs.replace(storage, uri="s3://no-such-bucket-at-all/x"))
    with pytest.raises(StorageUnavailable, match=r"no such bucket|access is denied"):
        here.engine.file_stores.get("cloud").probe()
    assert not any(PROBE in key for key in here.keys)


def test_calls_and_errors_are_counted(here: Cloud):
    here.proxy.first(1, Fault(status=500), "PUT")
    cold_table(here)
    counts = {count.name: numbers for count, numbers in here.engine.counters.now().items()}
    assert counts["s3_calls"]["PutObject"] >= 2
    assert counts["s3_errors"] == {"PutObject": 1}


# --- credentials -----------------------------------------------------------------------------------------------


def test_credentials_are_sealed_with_a_key_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    box = SecretBox(b"k" * 32)
    sealed = box.seal(S3Credentials(access_key_id="id", secret_access_key="very secret"))
    assert "secret" not in sealed
    assert box.open("s", sealed).secret_access_key == "very secret"
    with pytest.raises(StorageUnavailable, match=r"encrypted with another key.*ALTER STORAGE s SET CREDENTIALS"):
        SecretBox(b"o" * 32).open("s", sealed)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(StorageUnavailable, match="can't be read without the key"):
        secret_box("").open("s", sealed)
    with pytest.raises(InvalidRequest, match=f"no key to encrypt.*{KEY_VARIABLE}"):
        secret_box("").seal(S3Credentials())
    with pytest.raises(InvalidRequest, match="can't be read"):
        secret_box(str(tmp_path / "missing"))
    (tmp_path / "short").write_text("c2hvcnQ=")
    with pytest.raises(InvalidRequest, match="no key of 32 bytes"):
        secret_box(str(tmp_path / "short"))
    assert "very secret" not in repr(box.open("s", sealed))
    assert "kkkk" not in repr(box)


@pytest.mark.parametrize(
    "text",
    [
        *("", "hush", "[]", '{"access_key_id": "hush"}', '{"secret": "hush"}', '{"profile": ""}', '{"profile": 1}'),
        '{"access_key_id": "hush", "secret_access_key": "hush", "profile": "p"}',
    ],
)
def test_bad_credentials_are_refused_without_repeating_them(text: str):
    with pytest.raises(InvalidRequest, match="a correct value is") as raised:
        read_credentials(text)
    assert "hush" not in raised.value.message


def test_the_environment_gives_credentials_where_none_are_given(monkeypatch: pytest.MonkeyPatch, here: Cloud):
    here.alter(lambda storage: msgspec.structs.replace(storage, credentials=""))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(StorageUnavailable, match="has no credentials: give them with CREDENTIALS"):
        here.engine.file_stores.get("cloud").probe()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", here.endpoint.credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", here.endpoint.credentials.secret_access_key)
    here.alter(lambda storage: msgspec.structs.replace(storage, description="opened anew"))
    here.engine.file_stores.get("cloud").probe()


def test_a_profile_gives_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, here: Cloud):
    keys = here.endpoint.credentials
    (tmp_path / "profiles").write_text(
        f"[lake]\naws_access_key_id = {keys.access_key_id}\naws_secret_access_key = {keys.secret_access_key}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "profiles"))
    sealed = here.engine.secrets.seal(S3Credentials(profile="lake"))
    here.alter(lambda storage: msgspec.structs.replace(storage, credentials=sealed))
    here.engine.file_stores.get("cloud").probe()
    sealed = here.engine.secrets.seal(S3Credentials(profile="missing"))
    here.alter(lambda storage: msgspec.structs.replace(storage, credentials=sealed))
    with pytest.raises(StorageUnavailable, match="can't be used"):
        here.engine.file_stores.get("cloud").probe()
