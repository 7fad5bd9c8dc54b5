"""Storages by SQL: made, altered, shown, checked and dropped, and tables that lie in them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from storage.errors import PermissionDenied
from storage.settings import StorageSettings
from tests.sql_end_to_end.people import People
from tests.support.in_process import house
from tests.support.s3_endpoint import S3Endpoint
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY="
SECRET_KEY = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY"
CREDENTIALS = json.dumps({"access_key_id": "AKIAEXAMPLE", "secret_access_key": SECRET_KEY})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One with a key for credentials."""
    data = tmp_path_factory.mktemp("storages") / "data"
    with ServerProcess(data, environment={"FROSTLINE_SECRETS_KEY": KEY}) as process:
        yield process


def make(client: Client, name: str, folder: Path, more: str = "") -> None:
    client.do(f"CREATE STORAGE {name} TYPE 'filesystem' URI 'file://{folder}' {more}")


def shown(client: Client, name: str) -> dict[str, object]:
    [row] = client.table(f"SELECT * FROM system.storages WHERE storage = '{name}'").to_pylist()
    return dict(row)


def test_local_is_there_from_the_start_and_first(client: Client, tmp_path: Path):
    make(client, "aaa", tmp_path / "aaa", "DESCRIPTION 'for the archive'")
    rows = client.table("SHOW STORAGES").to_pylist()
    assert rows[0]["storage"] == "local"
    assert rows[0]["type"] == "filesystem"
    assert shown(client, "aaa")["description"] == "for the archive"
    client.do("DROP STORAGE aaa")


def test_a_table_lies_in_its_storage_and_is_read_from_there(client: Client, tmp_path: Path):
    folder = tmp_path / "lake"
    make(client, "lake", folder, "SHARED_TEMPLATE 'tables/{namespace}/{tableName}'")
    client.do("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR) WITH (storage = 'lake')")
    client.do("INSERT INTO t SELECT value, 'x' FROM generate_series(1, 100)")
    client.flush("t")
    client.do("INSERT INTO t VALUES (101, 'hot')")
    client.do("DELETE FROM t WHERE id = 1")
    assert client.rows("SELECT count(*), sum(id), max(v) FROM t") == [(100, 5150, "x")]
    assert client.value("SELECT v FROM t WHERE id = 5") == "x"
    [path] = [path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")]
    assert path.startswith(f"tables/{client.namespace}/t/")
    assert client.rows("SELECT storage, path FROM system.cold_files WHERE storage = 'lake'") == [("lake", path)]
    assert str(folder) not in str(client.rows("EXPLAIN SELECT * FROM t"))
    assert "storage = 'lake'" in client.rows("SHOW CREATE TABLE t")[0][1]


def test_delete_storage_with_tables(client: Client, tmp_path: Path):
    make(client, "busy", tmp_path / "busy")
    for number in range(12):
        client.do(f"CREATE TABLE busy{number:02} (a INT) WITH (storage = 'busy')")
    refused = client.refusal("DROP STORAGE busy")
    assert refused.sqlstate == "2BP01"
    assert "it is that of 12 tables" in refused.message
    assert ".busy09, ..)" in refused.message
    assert "busy10" not in refused.message
    assert client.sqlstate("CREATE TABLE lost (a INT) WITH (storage = 'nowhere')") == "42704"
    assert client.sqlstate("ALTER TABLE busy00 SET (storage = 'nowhere')") == "42704"


def test_delete_storage_local_protected(client: Client):
    refused = client.refusal("DROP STORAGE local")
    assert (refused.sqlstate, refused.message) == ("2BP01", "storage 'local' is always there and can't be dropped")
    assert client.sqlstate("DROP STORAGE IF EXISTS local") == "2BP01"


def test_delete_storage_no_dependencies(client: Client, tmp_path: Path):
    folder = tmp_path / "gone"
    make(client, "gone", folder)
    client.rows("CHECK STORAGE gone")
    assert list(folder.iterdir())
    client.do("CREATE TABLE t (a INT) WITH (storage = 'gone')")
    client.do("INSERT INTO t VALUES (1)")
    client.flush("t")
    client.do("DROP TABLE t")
    client.do("DROP STORAGE gone")
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert client.sqlstate("DROP STORAGE gone") == "42704"
    client.do("DROP STORAGE IF EXISTS gone")
    make(client, "again", folder)
    assert client.rows("CHECK STORAGE again")[0][:2] == ("again", "ok")


def test_a_storage_is_altered_but_for_its_type_and_place(client: Client, tmp_path: Path):
    make(client, "changing", tmp_path / "changing")
    client.do("ALTER STORAGE changing SET SHARDING 'hash(4)' DESCRIPTION 'new words'")
    now = shown(client, "changing")
    assert (now["sharding"], now["description"]) == ("hash(4)", "new words")
    assert client.sqlstate("ALTER STORAGE changing SET URI 'file:///elsewhere'") == "0A000"
    assert client.sqlstate("ALTER STORAGE changing SET TYPE 's3'") == "0A000"
    assert client.sqlstate("ALTER STORAGE changing SET REGION 'eu-central-1'") == "22023"
    assert "{userId} is missing" in client.refusal("ALTER STORAGE changing SET USER_TEMPLATE '{tableName}'").message
    assert client.sqlstate("ALTER STORAGE missing SET DESCRIPTION 'x'") == "42704"
    assert client.sqlstate(f"CREATE STORAGE changing TYPE 'filesystem' URI 'file://{tmp_path}/x'") == "42710"
    client.do(f"CREATE STORAGE IF NOT EXISTS changing TYPE 'filesystem' URI 'file://{tmp_path}/x'")


def test_a_storage_keeps_out_of_the_data_directory(client: Client, server: ServerProcess):
    for folder in (server.data, server.data / "cold" / "x", server.data.parent):
        refused = client.refusal(f"CREATE STORAGE inside TYPE 'filesystem' URI 'file://{folder}'")
        assert "can't lie in the data directory" in refused.message


def test_storages_are_for_administrators(server: ServerProcess, tmp_path: Path):
    with People(server) as people:
        user, service = people.connect("user"), people.connect("service")
        for client in (user, service):
            refuse_all(client, tmp_path)
        assert user.sqlstate("SELECT * FROM system.storages") == "42P01"
        assert user.sqlstate("SHOW STORAGES") == "42501"
        assert service.rows("SHOW STORAGES")


def refuse_all(client: Client, tmp_path: Path) -> None:
    for sql in (
        f"CREATE STORAGE theirs TYPE 'filesystem' URI 'file://{tmp_path}'",
        "ALTER STORAGE local SET DESCRIPTION 'x'",
        "DROP STORAGE local",
        "CHECK STORAGE local",
    ):
        assert client.sqlstate(sql) == "42501", sql


def test_a_user_has_a_storage_that_a_dba_gives(client: Client, tmp_path: Path):
    make(client, "eu", tmp_path / "eu")
    client.do("CREATE USER 'regional' WITH PASSWORD 'long enough' STORAGE eu STORAGE_MODE region")
    user = "SELECT storage, storage_mode FROM system.users WHERE user = 'regional'"
    assert client.rows(user) == [("eu", "region")]
    assert "it is that of 1 user (regional)" in client.refusal("DROP STORAGE eu").message
    client.do("ALTER USER 'regional' STORAGE NULL STORAGE_MODE table")
    assert client.rows(user) == [(None, "table")]
    assert client.sqlstate("ALTER USER 'regional' STORAGE nowhere") == "42704"
    assert client.sqlstate("ALTER USER 'regional' STORAGE_MODE 'continent'") == "22023"
    client.do("DROP STORAGE eu")


# --- credentials -----------------------------------------------------------------------------------------------


def test_credentials_are_never_shown(client: Client, server: ServerProcess):
    sql = f"CREATE STORAGE cloud TYPE 's3' URI 's3://some-bucket/x' REGION 'eu-central-1' CREDENTIALS '{CREDENTIALS}'"
    client.do(sql)
    client.do(f"ALTER STORAGE cloud SET CREDENTIALS = '{CREDENTIALS}'")
    assert shown(client, "cloud")["has_credentials"] is True
    refused = [
        client.refusal(sql).message,
        client.refusal(f"CREATE STORAGE c TYPE 's3' URI 's3://other-bucket' CREDENTIALS '{CREDENTIALS[:-2]}'").message,
        client.refusal(f"CREATE STORAGE c TYPE 's3' CREDENTIALS '{CREDENTIALS}' '{SECRET_KEY}'").message,
        client.refusal(f"CREATE STORAGE c TYPE 's3' CREDENTIALS {SECRET_KEY.replace('-', '')}").message,
        client.refusal(
            f"ALTER STORAGE cloud SET DESCRIPTION 'x' CREDENTIALS '{{\"secret\": \"{SECRET_KEY}\"}}'"
        ).message,
    ]
    everything = "".join(
        str(client.table(f"SELECT * FROM system.{name}").to_pylist())
        for name in ("storages", "audit_log", "queries", "settings", "stats", "jobs")
    )
    everything += "".join(refused) + "".join(server.stderr) + str(client.rows("SHOW STORAGES"))
    assert SECRET_KEY not in everything
    assert SECRET_KEY.replace("-", "") not in everything
    assert "AKIAEXAMPLE" not in everything
    assert "CREATE STORAGE cloud" in everything  # the audit log has it, without them
    on_disk = b"".join(path.read_bytes() for path in server.data.rglob("*") if path.is_file())
    assert SECRET_KEY.encode() not in on_disk
    client.do("DROP STORAGE cloud")


def test_credentials_may_be_bound(client: Client):
    client.do("CREATE STORAGE bound TYPE 's3' URI 's3://bound-bucket' CREDENTIALS ?", [CREDENTIALS])
    assert shown(client, "bound")["has_credentials"] is True
    client.do("ALTER STORAGE bound SET CREDENTIALS NULL")
    assert shown(client, "bound")["has_credentials"] is False
    client.do("DROP STORAGE bound")


# --- tables that move ------------------------------------------------------------------------------------------


def places(client: Client, table: str) -> set[str]:
    """Storages of a table's cold files."""
    sql = 'SELECT DISTINCT storage FROM system.cold_files WHERE namespace = ? AND "table" = ?'
    return {row[0] for row in client.rows(sql, [client.namespace, table])}


def dropped(client: Client, storage: str) -> bool:
    with suppress(Refused):
        client.do(f"DROP STORAGE {storage}")
    return (storage,) not in client.rows("SELECT storage FROM system.storages")


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_a_tables_old_files_follow_it_to_its_new_storage(client: Client, tmp_path: Path):
    make(client, "before", tmp_path / "before")
    make(client, "after", tmp_path / "after")
    client.do("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR) WITH (storage = 'before')")
    for start in (0, 100):
        client.do(f"INSERT INTO t SELECT value, 'x' FROM generate_series({start}, {start + 99})")
        client.flush("t")
    client.do("DELETE FROM t WHERE id = 7")
    client.do("ALTER TABLE t SET (storage = 'after')")
    client.do("INSERT INTO t VALUES (1000, 'new')")
    client.flush("t")
    wait_until(lambda: places(client, "t") == {"after"})
    assert client.rows("SELECT count(*), max(id), min(v) FROM t") == [(200, 1000, "new")]
    assert client.value("SELECT v FROM t WHERE id = 150") == "x"
    jobs = client.rows(f"SELECT status FROM system.jobs WHERE job_id LIKE 'MF-%' AND target = '{client.namespace}.t'")
    assert set(jobs) <= {("completed",), ("running",)}
    wait_until(lambda: dropped(client, "before"))  # once nobody reads the old files any more
    assert not list((tmp_path / "before").rglob("*.parquet"))


# --- user tables -----------------------------------------------------------------------------------------------


@contextmanager
def note_takers(server: ServerProcess, root: Client, tmp_path: Path, options: str) -> Iterator[tuple[Client, Client]]:
    """A user with mode region, one with mode table, both with the storage of a region; a user table on another one."""
    name = root.namespace
    for storage in (f"{name}_table", f"{name}_region"):
        make(root, storage, tmp_path / storage, "SHARDING 'alphabetic'")
    root.do(f"CREATE USER TABLE notes (id BIGINT PRIMARY KEY, v VARCHAR) WITH (storage = '{name}_table'{options})")
    with ExitStack() as stack:
        clients = []
        for mode in ("region", "table"):
            user = f"{mode}_{name}"
            root.do(f"CREATE USER '{user}' WITH PASSWORD 'pass word' STORAGE {name}_region STORAGE_MODE {mode}")
            connection = stack.enter_context(server.connect(user=user, password="pass word"))
            clients.append(Client(connection, name))
            clients[-1].do(f"INSERT INTO {name}.notes SELECT value, '{mode}' FROM generate_series(1, 10)")
        yield clients[0], clients[1]


def folders(tmp_path: Path, storage: str) -> set[str]:
    base = tmp_path / storage
    return {path.parent.relative_to(base).as_posix() for path in base.rglob("*.parquet")}


def test_flush_with_use_user_storage(client: Client, server: ServerProcess, tmp_path: Path):
    name = client.namespace
    with note_takers(server, client, tmp_path, ", use_user_storage = true") as (regional, tabular):
        client.flush("notes")
        assert folders(tmp_path, f"{name}_region") == {f"{name}/notes/r/region_{name}"}
        assert folders(tmp_path, f"{name}_table") == {f"{name}/notes/t/table_{name}"}
        for user, mode in ((regional, "region"), (tabular, "table")):
            user.do(f"INSERT INTO {name}.notes VALUES (11, 'hot')")
            assert user.rows(f"SELECT count(*), max(v) FROM {name}.notes") == [(11, mode)]


def test_user_storage_mode_region(client: Client, server: ServerProcess, tmp_path: Path):
    name = client.namespace
    with note_takers(server, client, tmp_path, ", use_user_storage = true") as (regional, _):
        client.flush("notes")
        client.do(f"ALTER USER 'region_{name}' STORAGE_MODE table")
        regional.do(f"INSERT INTO {name}.notes VALUES (11, 'later')")
        client.flush("notes")
        assert regional.rows(f"SELECT count(*), min(v) FROM {name}.notes") == [(11, "later")]
        wait_until(lambda: places(regional, "notes") == {f"{name}_table"})  # the old one follows
        assert regional.rows(f"SELECT count(*), min(v) FROM {name}.notes") == [(11, "later")]


def test_user_storage_mode_table(client: Client, server: ServerProcess, tmp_path: Path):
    name = client.namespace
    with note_takers(server, client, tmp_path, ", use_user_storage = false") as (regional, tabular):
        client.flush("notes")
        assert folders(tmp_path, f"{name}_region") == set()
        assert len(folders(tmp_path, f"{name}_table")) == 2
        assert regional.value(f"SELECT count(*) FROM {name}.notes") == 10
        assert tabular.value(f"SELECT count(*) FROM {name}.notes") == 10


# --- S3, and the settings --------------------------------------------------------------------------------------


def test_a_table_in_s3_from_the_statement_to_the_rows(client: Client, server: ServerProcess):
    with S3Endpoint() as endpoint:
        bucket = endpoint.new_bucket()
        keys = json.dumps({"access_key_id": "tests", "secret_access_key": SECRET_KEY})
        place = f"URI 's3://{bucket}/lake' ENDPOINT '{endpoint.url}' REGION 'us-east-1'"
        client.do(f"CREATE STORAGE s3 TYPE 's3' {place} CREDENTIALS '{keys}'")
        assert client.rows("CHECK STORAGE s3")[0][:2] == ("s3", "ok")
        client.do("CREATE TABLE t (id BIGINT PRIMARY KEY, v VARCHAR) WITH (storage = 's3')")
        client.do("INSERT INTO t SELECT value, 'cold' FROM generate_series(1, 5000)")
        client.flush("t")
        client.do("INSERT INTO t VALUES (5001, 'hot')")
        client.do("UPDATE t SET v = 'new' WHERE id = 17")
        assert client.rows("SELECT v, count(*) FROM t GROUP BY v ORDER BY v") == [
            ("cold", 4999),
            ("hot", 1),
            ("new", 1),
        ]
        assert client.value("SELECT v FROM t WHERE id = 4711") == "cold"
        client.compact("t")
        assert client.value("SELECT sum(id) FROM t") == 5001 * 5002 // 2
        assert bucket not in str(client.rows("EXPLAIN SELECT * FROM t"))
        assert {row[0] for row in client.rows("SHOW CREATE TABLE t")} == {f"{client.namespace}.t"}
        client.do("DROP TABLE t")
        wait_until(lambda: endpoint.keys(bucket) == set())
        client.do("DROP STORAGE s3")
    assert SECRET_KEY not in "".join(server.stderr)


def test_folders_of_storages_may_be_limited(tmp_path: Path):
    allowed = tmp_path / "allowed"
    (tmp_path / "outside").mkdir()
    allowed.mkdir()
    (allowed / "link").symlink_to(tmp_path / "outside")
    with house(tmp_path, StorageSettings(storage_directories=(str(allowed),))) as here:
        session = here.enter()
        here.do(session, f"CREATE STORAGE good TYPE 'filesystem' URI 'file://{allowed}/x'")
        for outside in (tmp_path / "outside", allowed / "link" / "x"):
            with pytest.raises(PermissionDenied, match=r"storage\.storage_directories"):
                here.do(session, f"CREATE STORAGE bad TYPE 'filesystem' URI 'file://{outside}'")
