"""Backup and restore as their users meet them: statements, jobs and the command, on real servers."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from adbc_driver_manager import Error

from flight_server.cli import main
from tests.faults.mixed_load import gone_quietly
from tests.sql_end_to_end.people import People
from tests.support.flight_client import wait_until
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

CONSTRAINED = (
    "CREATE TABLE n.c (id BIGINT GENERATED ALWAYS AS IDENTITY, k BIGINT REFERENCES n.t NOT ENFORCED, "
    "CONSTRAINT the_key PRIMARY KEY (id), UNIQUE (k) NOT ENFORCED, CHECK (k > 0) NOT ENFORCED)"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server may put backups, and its settings that say so."""

    folder: Path
    config: Path

    @property
    def uri(self) -> str:
        return f"file://{self.folder}"

    def server(self, data: Path, **more: object) -> ServerProcess:
        return ServerProcess(data, "--config", str(self.config), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    config = folder / "settings.toml"
    config.write_text(f'[storage]\nbackup_directories = ["{folder}"]\n')
    return Place(folder / "backups", config)


@pytest.fixture(scope="module")
def server(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with place.server(tmp_path_factory.mktemp("server") / "data") as process:
        yield process


def backed_up(client: Client, uri: str) -> str:
    """Back up, wait, and say what the job said."""
    [(job_id, *_)] = client.rows(f"BACKUP DATABASE TO '{uri}'")
    assert job_id.startswith("BK-")
    [(_, kind, target, status, message, _)] = client.rows(f"WAIT FOR JOB '{job_id}'")
    assert (kind, target, status) == ("backup", uri, "completed"), message
    return str(message)


def restored(capsys: pytest.CaptureFixture[str], uri: str, data: Path, *more: str) -> str:
    code = main(["restore", "--from", uri, "--data", str(data), *more])
    out, err = capsys.readouterr()
    assert code == 0, err
    return out


def test_everything_comes_back_as_it_was_and_writes_went_on_meanwhile(
    server: ServerProcess, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    sure: list[int] = []
    stopped = threading.Event()
    with server.connect() as connection, server.connect() as writing:
        client, writer = Client(connection), Client(writing)
        client.do("CREATE NAMESPACE n; CREATE TABLE n.t (k BIGINT PRIMARY KEY, v TEXT)")
        client.do("CREATE TABLE n.a (k BIGINT); CREATE TABLE n.b (k BIGINT)")
        client.do(CONSTRAINED)
        constrained = client.rows("SHOW CREATE TABLE n.c")
        client.do("CREATE VIEW n.w AS SELECT count(*) AS c FROM n.t; CREATE USER 'ann' WITH PASSWORD 'a long one'")
        client.do("GRANT SELECT ON n.t TO 'ann'; INSERT INTO n.t VALUES (1, 'one'), (2, 'two'), (3, 'three')")
        [(flush, *_)] = client.rows("FLUSH TABLE n.t")
        client.rows(f"WAIT FOR JOB '{flush}'")
        [(version,)] = client.rows("SELECT max(_seq) FROM n.t")
        client.do("CREATE USER TABLE n.own (k BIGINT); INSERT INTO n.own VALUES (1)")
        client.do("EXECUTE AS USER 'ann' (INSERT INTO n.own VALUES (2))")
        client.do(
            "UPDATE n.t SET v = 'TWO' WHERE k = 2; DELETE FROM n.t WHERE k = 3; INSERT INTO n.t VALUES (4, 'hot')"
        )

        def write() -> None:
            while not stopped.is_set():
                number = len(sure)
                writer.do(f"BEGIN; INSERT INTO n.a VALUES ({number}); INSERT INTO n.b VALUES ({number}); COMMIT")
                sure.append(number)

        thread = threading.Thread(target=write)
        thread.start()
        try:
            while len(sure) < 5:
                assert thread.is_alive()
                stopped.wait(0.01)
            acknowledged = len(sure)
            backed_up(client, place.uri)
        finally:
            stopped.set()
            thread.join()
    restored(capsys, place.uri, tmp_path / "new")
    with place.server(tmp_path / "new") as second, second.connect() as connection:
        client = Client(connection)
        assert client.rows("SELECT k, v FROM n.t ORDER BY k") == [(1, "one"), (2, "TWO"), (4, "hot")]
        assert client.rows(f"SELECT v FROM n.t FOR VERSION AS OF {version} ORDER BY k") == [
            ("one",),
            ("two",),
            ("three",),
        ]
        assert client.rows("SELECT c FROM n.w") == [(3,)]
        assert client.rows("SHOW CREATE TABLE n.c") == constrained
        [(left,)], [(right,)] = client.rows("SELECT count(*) FROM n.a"), client.rows("SELECT count(*) FROM n.b")
        assert left == right >= acknowledged
        with pytest.raises(AssertionError, match="23505"):
            client.do("INSERT INTO n.t VALUES (4, 'taken')")
        assert [row for row in client.rows("SELECT job_id FROM system.jobs") if row[0][:2] in ("BK", "RS")] == []
        [(scrub, *_)] = client.rows("SCRUB ALL")
        [(_, _, _, status, message, _)] = client.rows(f"WAIT FOR JOB '{scrub}'")
        assert status == "completed", message
        with second.connect(user="ann", password="a long one") as hers:
            assert Client(hers).rows("SELECT k FROM n.t ORDER BY k") == [(1,), (2,), (4,)]
            assert Client(hers).rows("SELECT k FROM n.own") == [(2,)]


def test_a_second_backup_says_what_was_new_and_both_are_listed(server: ServerProcess, place: Place, tmp_path: Path):
    uri = f"{place.uri}/two"
    with server.connect() as connection:
        client = Client(connection)
        client.do("CREATE TABLE two (k BIGINT); INSERT INTO two SELECT value FROM generate_series(1, 20000)")
        [(flush, *_)] = client.rows("FLUSH TABLE two")
        client.rows(f"WAIT FOR JOB '{flush}'")
        backed_up(client, uri)
        client.do("INSERT INTO two VALUES (20001)")
        assert "were new" in backed_up(client, uri)
        rows = client.rows(f"SHOW BACKUP '{uri}'")
        assert len(rows) == 2
        (_, _, seq, _, cold, files, bytes_, new, fresh, _, error) = rows[1]
        assert (cold >= 20000, new < files, fresh < bytes_, error, seq > rows[0][2]) == (True, True, True, None, True)


def test_restore_into_a_new_server_waits_for_a_restart_and_takes_no_writes_till_then(
    server: ServerProcess, place: Place, tmp_path: Path
):
    with server.connect() as connection:
        client = Client(connection)
        client.do("CREATE TABLE kept (k BIGINT); INSERT INTO kept VALUES (1), (2)")
        backed_up(client, f"{place.uri}/three")
        with pytest.raises(AssertionError, match="not empty"):
            client.rows(f"RESTORE DATABASE FROM '{place.uri}/three'")
    with place.server(tmp_path / "new") as second:
        with second.connect() as connection:
            client = Client(connection)
            [(job_id, *_)] = client.rows(f"RESTORE DATABASE FROM '{place.uri}/three'")
            [(_, _, _, status, message, _)] = client.rows(f"WAIT FOR JOB '{job_id}'")
            assert (status, "restart the server" in message) == ("completed", True), message
            with pytest.raises(AssertionError, match="restart"):
                client.do("CREATE TABLE late (k BIGINT)")
            with pytest.raises(AssertionError, match="restart"):
                client.rows(f"RESTORE DATABASE FROM '{place.uri}/three'")
        assert second.health("/readyz")[0] == 503
        assert second.stop() == 0
    with place.server(tmp_path / "new") as again, again.connect() as connection:
        assert Client(connection).rows("SELECT k FROM kept ORDER BY k") == [(1,), (2,)]
        assert again.health("/readyz")[0] == 200


def _asked_of_a_dying(server: ServerProcess, sql: str) -> None:
    """The answer may come too late, and closing finds nobody."""
    with gone_quietly(server.connect()) as connection, gone_quietly(connection.cursor()) as cursor, suppress(Error):
        cursor.execute(sql)


def _only_job(client: Client, kind: str) -> object:
    """How the one job of its kind ended."""
    [(job_id,)] = client.rows(f"SELECT job_id FROM system.jobs WHERE job_type = '{kind}'")
    return client.rows(f"WAIT FOR JOB '{job_id}'")[0][3]


@pytest.mark.parametrize("point", ["backup.after_file:kill:3", "backup.before_record:kill"])
def test_a_server_killed_during_a_backup_makes_it_when_it_is_back(point: str, place: Place, tmp_path: Path):
    uri = f"{place.uri}/{point.replace(':', '_')}"
    with place.server(tmp_path / "data", environment={"FROSTLINE_FAILPOINT": point}) as first:
        with first.connect() as connection:
            Client(connection).do("CREATE TABLE t (k BIGINT PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
        _asked_of_a_dying(first, f"BACKUP DATABASE TO '{uri}'")
        assert first.wait() == -signal.SIGKILL
    with place.server(tmp_path / "data") as second, second.connect() as connection:
        client = Client(connection)
        assert _only_job(client, "backup") == "completed"
        assert len(client.rows(f"SHOW BACKUP '{uri}'")) == 1
        assert client.rows("SELECT count(*) FROM t") == [(2,)]


def test_a_server_killed_during_a_restore_goes_on_with_it_when_it_is_back(
    server: ServerProcess, place: Place, tmp_path: Path
):
    uri = f"{place.uri}/six"
    with server.connect() as connection:
        client = Client(connection)
        client.do("CREATE TABLE six (k BIGINT); INSERT INTO six VALUES (6)")
        backed_up(client, uri)
    with place.server(tmp_path / "new", environment={"FROSTLINE_FAILPOINT": "restore.after_file:kill:2"}) as first:
        _asked_of_a_dying(first, f"RESTORE DATABASE FROM '{uri}'")
        assert first.wait() == -signal.SIGKILL
    with place.server(tmp_path / "new") as second:
        with second.connect() as connection:
            assert _only_job(Client(connection), "restore") == "completed"
        assert second.stop() == 0
    with place.server(tmp_path / "new") as third, third.connect() as connection:
        assert Client(connection).rows("SELECT k FROM six") == [(6,)]


def test_who_may_and_where(server: ServerProcess, place: Place, tmp_path: Path):
    with People(server) as people:
        service, dba, user = (people.connect(role) for role in ("service", "dba", "user"))
        backed_up(service, f"{place.uri}/four")
        assert len(service.rows(f"SHOW BACKUP '{place.uri}/four'")) == 1
        mine = f"SELECT status FROM system.jobs WHERE job_type = 'backup' AND target = '{place.uri}/four'"
        assert (service.rows(mine), user.rows(mine)) == ([("completed",)], [])
        for client, sql in (
            (user, f"BACKUP DATABASE TO '{place.uri}'"),
            (user, f"SHOW BACKUP '{place.uri}'"),
            (service, f"RESTORE DATABASE FROM '{place.uri}'"),
            (dba, f"BACKUP DATABASE TO 'file://{tmp_path}'"),
            (dba, "SHOW BACKUP 'file:///etc'"),
        ):
            with pytest.raises(AssertionError, match="42501"):
                client.rows(sql)
        with pytest.raises(AssertionError, match="22023"):
            dba.rows("BACKUP DATABASE TO '/backups'")
        told = "action = 'BACKUP DATABASE'"
        [(who,)] = people.root.rows(
            f"""SELECT "user" FROM system.audit_log WHERE {told} AND object = '{place.uri}/four'"""
        )
        assert who == people.name("service")


def test_the_command_says_what_is_wrong_with_an_exit_code(
    place: Place, server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with server.connect() as connection:
        backed_up(Client(connection), f"{place.uri}/five")
    folder = place.folder / "five"
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").write_text("x")
    assert main(["restore", "--from", f"file://{folder}", "--data", str(tmp_path / "used")]) == 2
    assert "not empty" in capsys.readouterr().err
    assert main(["restore", "--from", f"file://{tmp_path}/none", "--data", str(tmp_path / "a")]) == 1
    assert "there is no backup" in capsys.readouterr().err
    largest = max((path for path in (folder / "files").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])
    assert main(["restore", "--from", f"file://{folder}", "--data", str(tmp_path / "b")]) == 4
    assert "does not match its checksum" in capsys.readouterr().err


def test_without_a_backup_recover_brings_back_what_is_cold_for_each_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    data = tmp_path / "data"
    with ServerProcess(data) as server, server.connect() as connection:
        client = Client(connection)
        client.do("CREATE USER 'ann' WITH PASSWORD 'a long one'; CREATE NAMESPACE n")
        client.do("CREATE TABLE n.t (k BIGINT PRIMARY KEY, v TEXT); INSERT INTO n.t VALUES (1, 'one'), (2, 'two')")
        client.do("CREATE USER TABLE n.own (k BIGINT); INSERT INTO n.own VALUES (1)")
        client.do("EXECUTE AS USER 'ann' (INSERT INTO n.own VALUES (2))")
        client.do("DELETE FROM n.t WHERE k = 2; UPDATE n.t SET v = 'ONE' WHERE k = 1")
        for job_id, *_ in client.rows("FLUSH ALL"):
            assert client.rows(f"WAIT FOR JOB '{job_id}'")[0][3] == "completed"
        copies = [f"{folder}/manifest.json" for folder in ("n/t", "n/own/root", "n/own/ann")]
        wait_until(lambda: all((data / "cold" / copy).exists() for copy in copies), 20)
        server.kill()
    shutil.rmtree(data / "rows")
    assert main(["recover", "--data", str(data)]) == 0
    told = capsys.readouterr().out
    assert "table n.own of ann: 1 files" in told
    assert "users without a password: ann, root" in told
    with ServerProcess(data) as server, server.connect() as connection:
        client = Client(connection)
        assert client.rows("SELECT k, v FROM n.t") == [(1, "ONE")]
        assert client.rows("SELECT k FROM n.own") == [(1,)]
        client.do("ALTER USER 'ann' PASSWORD 'another one'; INSERT INTO n.t VALUES (2, 'again')")
        with server.connect(user="ann", password="another one") as hers:
            assert Client(hers).rows("SELECT k FROM n.own") == [(2,)]
        [(scrub, *_)] = client.rows("SCRUB ALL")
        [(_, _, _, status, message, _)] = client.rows(f"WAIT FOR JOB '{scrub}'")
        assert status == "completed", message
