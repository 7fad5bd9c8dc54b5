"""Where users' rows are: files that never mix users, flushes one by one, restarts, crashes, and users that go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.sql_end_to_end.ageing import age
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client

USERS = ("ann", "bob", "cay", "dan")


class House:
    """A server with users that have one table `t`, each of whose rows says whose it is. Use as a context manager."""

    def __init__(self, directory: Path, *flags: str) -> None:
        self.data = directory / "data"
        self.process = ServerProcess(self.data, *flags)
        self._stack = ExitStack()

    def __enter__(self) -> House:
        self._stack.enter_context(self.process)
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def connect(self) -> None:
        self.root = Client(self._stack.enter_context(self.process.connect()))

    def make(self) -> None:
        self.root.do("CREATE USER TABLE t (id INT PRIMARY KEY, whose TEXT)")
        for user in USERS:
            self.root.do(f"CREATE USER '{user}'")
            self.do(user, f"INSERT INTO t VALUES (1, 'rows of {user}'), (2, 'rows of {user}')")

    def do(self, user: str, sql: str) -> int:
        return self.root.do(f"EXECUTE AS USER '{user}' ({sql})")

    def rows(self, user: str, sql: str = "SELECT id, whose FROM t ORDER BY id") -> list[tuple]:
        return self.root.rows(f"EXECUTE AS USER '{user}' ({sql})")

    def files(self) -> dict[str, set[str]]:
        """Path in the folder of cold files -> whose rows are in it."""
        cold = self.data / "cold"
        return {
            str(path.relative_to(cold)): set(pq.read_table(path).column("whose").to_pylist())
            for path in cold.rglob("*.parquet")
        }

    def stop(self) -> None:
        self.process.stop()

    def start(self) -> None:
        self.process.start()
        self.process._lines.queue.clear()
        self.process.wait_ready()
        self.connect()

    def restart(self, *, kill: bool) -> None:
        self.process.kill() if kill else self.process.stop()
        self.start()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path) as house:
        house.make()
        yield house


def test_per_user_isolation(house: House) -> None:
    """No Parquet file ever holds rows of two users: flushed, changed, compacted, loaded, retained."""
    house.root.flush("t")
    for user in USERS[:2]:
        house.do(user, "INSERT INTO t VALUES (3, 'rows of " + user + "')")
        house.do(user, "DELETE FROM t WHERE id = 1")
    house.root.flush("t")
    before = house.files()
    house.root.compact("t")
    after = house.files()
    for found in (before, after):
        assert all(len(whose) == 1 for whose in found.values()), found
        for path, whose in found.items():
            folder = Path(path).parent.name
            assert whose == {f"rows of {folder}"}, path
    assert {Path(path).parent.name for path in after} == set(USERS)
    assert len(before) == 6
    assert house.rows("ann") == [(2, "rows of ann"), (3, "rows of ann")]
    assert house.rows("dan") == [(1, "rows of dan"), (2, "rows of dan")]


def test_rows_outlive_restarts_and_crashes_hot_and_cold(house: House) -> None:
    house.root.flush("t")
    for user in USERS[:2]:
        house.do(user, "UPDATE t SET whose = whose || '!' WHERE id = 1")
        house.do(user, f"INSERT INTO t VALUES (3, 'hot {user}')")
    expected = {user: house.rows(user) for user in USERS}
    assert expected["bob"] == [(1, "rows of bob!"), (2, "rows of bob"), (3, "hot bob")]
    for kill in (True, False):
        house.restart(kill=kill)
        assert {user: house.rows(user) for user in reversed(USERS)} == expected
        assert house.root.rows("SELECT * FROM t") == []
        house.do("cay", "UPDATE t SET whose = whose || '?' WHERE id = 1")
        expected["cay"] = house.rows("cay")
    house.root.flush("t")
    assert {user: house.rows(user) for user in USERS} == expected
    assert expected["cay"][0] == (1, "rows of cay??")


def test_a_user_whose_rows_cannot_be_moved_holds_up_nobody(house: House) -> None:
    """A file where the folder of one user should be is the fault."""
    blocked = house.data / "cold" / "public" / "t" / "bob"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    [[job, *_]] = house.root.rows("FLUSH TABLE t")
    done = "SELECT sum(hot_rows) FROM system.partitions WHERE \"table\" = 't'"
    wait_until(lambda: all(house.rows(user, done) == [(0,)] for user in USERS if user != "bob"))
    assert house.rows("bob", done) == [(2,)]
    assert house.rows("bob") == [(1, "rows of bob"), (2, "rows of bob")]
    blocked.unlink()
    [ended] = house.root.rows(f"WAIT FOR JOB '{job}'")
    assert ended[3] == "completed"
    assert house.rows("bob", done) == [(0,)]
    assert {Path(path).parent.name for path in house.files()} == set(USERS)


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_partitions_come_and_go_while_many_users_work(tmp_path: Path) -> None:
    """Two in memory for four users who all read and write, by turns and at the same time."""
    (tmp_path / "conf.toml").write_text("[storage]\nuser_partitions_max = 2\n")
    with House(tmp_path, "--config", str(tmp_path / "conf.toml")) as house:
        house.make()
        for round_ in range(3, 8):
            for user in USERS:
                house.do(user, f"INSERT INTO t VALUES ({round_}, 'rows of {user}')")
            if round_ == 5:
                house.root.flush("t")
        for user in USERS:
            assert house.rows(user) == [(n, f"rows of {user}") for n in range(1, 8)]
        assert all(len(whose) == 1 for whose in house.files().values())


def test_who_gets_the_name_of_a_user_that_is_gone_does_not_get_their_rows(house: House) -> None:
    house.root.flush("t")
    house.do("bob", "INSERT INTO t VALUES (3, 'hot')")
    house.root.do("DROP USER 'ann'; DROP USER 'bob'")
    assert house.root.sqlstate("EXECUTE AS USER 'bob' (SELECT * FROM t)") == "42501"
    house.root.do("UNDROP USER 'bob'")
    assert house.rows("bob") == [(1, "rows of bob"), (2, "rows of bob"), (3, "hot")]
    house.stop()
    age(house.data, "ann", days=8)
    house.start()
    house.root.do("CREATE USER 'ann'")
    assert house.rows("ann") == []
    assert house.rows("ann", "SELECT path FROM system.cold_files") == []
    house.do("ann", "INSERT INTO t VALUES (1, 'rows of the new ann')")
    house.root.flush("t")
    assert house.rows("ann") == [(1, "rows of the new ann")]
    assert all(len(whose) == 1 for whose in house.files().values())
