"""Names as ADBC brings them to a real server: loads, metadata, cold files, jobs, a restart, a backup, a recovery."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.cli import main
from flight_server.wire import flight_sql_pb2 as pb
from storage.backup.manifest_copy import read_copy
from storage.catalog.folder_templates import portable_folder_name
from storage.catalog.names import RESERVED_NAMESPACES, TableName, quoted
from storage.cold.file_names import COPY_NAME
from tests.faults.abused import AS_ROOT
from tests.sql_end_to_end.odd_names import NAMES, NO_NAMES, TAKEN, text
from tests.support.flight_client import descriptor, wait_until
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

USED = [name for name in NAMES if name not in RESERVED_NAMESPACES]
IDS = pa.array([1, 2, 3], pa.int64())
LEFT = [(1, "one"), (3, "three")]  # once row 2 is deleted


class Stage:
    """A server whose database holds, for each name, a namespace, a table, a key column and a view of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "settings.toml"
        self.config.write_text(f'[storage]\nbackup_directories = ["{folder}"]\n')

    def server(self, directory: str) -> ServerProcess:
        return ServerProcess(self.folder / directory, "--config", str(self.config))

    def has_copy(self, name: str) -> bool:
        """Whether the copy of the manifest knows of the two rows that are left."""
        folder = portable_folder_name(name)
        copy = read_copy((self.folder / "data/cold" / folder / folder / COPY_NAME).read_bytes())
        return sum(file.rows for file in copy.files) - len(copy.deletes[0]) == len(LEFT)

    def command(self, *words: str) -> None:
        assert main(words) == 0


def fill(client: Client) -> None:
    for name in USED:
        q = quoted(name)
        client.do(f"CREATE NAMESPACE {q}")
        client.do(f"CREATE TABLE {q}.keyed ({q} BIGINT PRIMARY KEY, v TEXT)")
        client.do(f"ALTER TABLE {q}.keyed RENAME TO {q}; CREATE VIEW {q}.seen ({q}) AS SELECT {q} FROM {q}.{q}")
        rows = pa.table({name: IDS, "v": ["one", "two", "three"]})
        assert client.ingest(name, rows, mode="append", db_schema_name=name) == 3
        client.ingest("made", rows, mode="create", db_schema_name=name)
        client.flush(f"{q}.{q}")
        client.do(f"DELETE FROM {q}.{q} WHERE {q} = 2")


def check(client: Client) -> None:
    for name in USED:
        q = quoted(name)
        assert client.rows(f"SELECT {q}, v FROM {q}.{q} ORDER BY {q}") == LEFT, name
        assert client.rows(f"SELECT {q} FROM {q}.seen WHERE {q} > 1") == [(3,)], name
        with pytest.raises(Refused, match="23505"):
            client.do(f"INSERT INTO {q}.{q} VALUES (3, 'taken')")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("names"))


@pytest.fixture(scope="module")
def server(stage: Stage) -> Iterator[ServerProcess]:
    with stage.server("data") as process:
        with process.connect() as connection:
            fill(Client(connection))
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with server.connect() as connection:
        yield Client(connection)


def metadata(server: ServerProcess, command: Any) -> list[dict[str, Any]]:
    with flight.connect(server.uri) as opened:
        [endpoint] = opened.get_flight_info(descriptor(command), AS_ROOT).endpoints
        found: list[dict[str, Any]] = opened.do_get(endpoint.ticket, AS_ROOT).read_all().to_pylist()
        return found


def pattern(name: str) -> str:
    """LIKE's, for the name alone."""
    return re.sub(r"([%_\\])", r"\\\1", name)


def test_cold_rows_and_hot_deletes_are_read(client: Client):
    check(client)


def test_files_lie_in_folders_that_every_file_system_takes(client: Client, stage: Stage):
    for name in USED:
        folder = portable_folder_name(name)
        [file] = (stage.folder / "data/cold" / folder / folder).glob("*.parquet")
        q = quoted(name)
        assert client.value(f"SELECT path FROM system.cold_files WHERE namespace = {text(name)}").endswith(file.name)
        assert client.value(f"SELECT count(*) FROM {q}.{q} WHERE _seq > 0") == 2
    cold = stage.folder / "data/cold"
    folders = [path.relative_to(cold).as_posix() for path in cold.rglob("*") if path.is_dir()]
    assert len({folder.casefold() for folder in folders}) == len(folders) == 2 * len(USED)


@pytest.mark.parametrize("name", USED, ids=ascii)
def test_metadata_finds_it_and_nothing_else(server: ServerProcess, name: str):
    one = {"db_schema_filter_pattern": pattern(name), "table_name_filter_pattern": pattern(name)}
    [found] = metadata(server, pb.CommandGetTables(**one, include_schema=True))
    assert (found["db_schema_name"], found["table_name"], found["table_type"]) == (name, name, "TABLE")
    schema = pa.ipc.read_schema(pa.py_buffer(found["table_schema"]))
    assert schema.names == [name, "v"]
    assert schema.field(name).metadata[b"ARROW:FLIGHT:SQL:TABLE_NAME"].decode() == name
    spaces = metadata(server, pb.CommandGetDbSchemas(db_schema_filter_pattern=pattern(name)))
    assert [row["db_schema_name"] for row in spaces] == [name]
    keys = metadata(server, pb.CommandGetPrimaryKeys(db_schema=name, table=name))
    assert [row["column_name"] for row in keys] == [name]


@pytest.mark.parametrize("name", USED, ids=ascii)
def test_adbc_loads_lists_and_describes_it(client: Client, name: str):
    q = quoted(name)
    objects = client.connection.adbc_get_objects(
        depth="all", db_schema_filter=pattern(name), table_name_filter=pattern(name)
    ).read_all()
    [catalog] = [one for one in objects.to_pylist() if one["catalog_name"] == "frostline"]
    [space] = catalog["catalog_db_schemas"]
    [table] = space["db_schema_tables"]
    assert [column["column_name"] for column in table["table_columns"]] == [name, "v"]
    rows = pa.table({name: IDS})
    client.ingest(name + "2" if len(name) < 64 else "2", rows, db_schema_name=name)
    client.ingest("replaced", rows, mode="create_append", db_schema_name=name)
    client.ingest("replaced", rows, mode="replace", db_schema_name=name)
    assert client.rows(f"SELECT {q} FROM {q}.replaced WHERE {q} = ?", (2,)) == [(2,)]
    assert client.do_many(f"UPDATE {q}.replaced SET {q} = $1 WHERE {q} = $2", [(10, 1), (20, 2)]) == 2
    assert client.rows(f"SELECT {q} FROM {q}.replaced ORDER BY 1") == [(3,), (10,), (20,)]


@pytest.mark.parametrize("name", USED, ids=ascii)
def test_a_jobs_target_is_the_whole_name(client: Client, name: str):
    full = str(TableName(name, name))
    [(job, kind, target, *_)] = client.rows(f"COMPACT TABLE {quoted(name)}.{quoted(name)}")
    assert (kind, target) == ("compact", full)
    client.rows(f"WAIT FOR JOB '{job}'")
    assert client.rows(f"SELECT job_id FROM system.jobs WHERE target = {text(full)} AND job_id = '{job}'") == [(job,)]


@pytest.mark.parametrize("name", [*NO_NAMES, *TAKEN], ids=ascii)
def test_a_load_under_no_name_is_refused(client: Client, name: str):
    for options in ({"table": name}, {"table": "t", "db_schema_name": name}):
        if name == "":
            continue  # stands for none; the driver itself wants a table
        with pytest.raises(Refused, match=r"42602|42939"):
            client.ingest(data=pa.table({"a": IDS}), **options)
    if len(name) != 65:  # columns may be longer
        with pytest.raises(Refused, match=r"42602|42939"):
            client.ingest("bad", pa.table({name: IDS}))


def test_all_of_it_is_there_after_a_restore_a_restart_and_a_recovery(stage: Stage, server: ServerProcess):
    with server.connect() as connection:
        client = Client(connection)
        client.do("CREATE USER 'ann' WITH PASSWORD 'a long one'")
        for name in USED:
            client.do(f"GRANT SELECT ON {quoted(name)}.seen TO 'ann'")
        [(job, *_)] = client.rows(f"BACKUP DATABASE TO 'file://{stage.folder}/backups'")
        assert client.rows(f"WAIT FOR JOB '{job}'")[0][3] == "completed"
    assert server.stop() == 0
    assert [event for event in server.events if event["event"] == "internal_error"] == []
    stage.command("restore", "--from", f"file://{stage.folder}/backups", "--data", str(stage.folder / "restored"))
    for directory in ("restored", "data"):
        with stage.server(directory) as second, second.connect() as connection:
            check(Client(connection))
            with second.connect(user="ann", password="a long one") as hers:
                for name in USED:
                    assert Client(hers).rows(f"SELECT {quoted(name)} FROM {quoted(name)}.seen") == [(1,), (3,)]
            # Copies are told of deletes at a start, or half a minute after those before.
            wait_until(lambda: directory != "data" or all(map(stage.has_copy, USED)), seconds=30)  # noqa: B023
    shutil.copytree(stage.folder / "data", stage.folder / "lost")
    shutil.rmtree(stage.folder / "lost/rows")
    stage.command("recover", "--data", str(stage.folder / "lost"))
    with stage.server("lost") as third, third.connect() as connection:
        recovered = Client(connection)
        for name in USED:
            q = quoted(name)
            assert recovered.rows(f"SELECT {q}, v FROM {q}.{q} ORDER BY {q}") == LEFT
