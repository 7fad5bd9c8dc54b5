"""Cold files that were damaged, cut, swapped or lost: a query that needs one is refused by name, others go on, and no
answer is ever wrong.

The seed is printed; FROSTLINE_DAMAGE_SEED runs it again, FROSTLINE_DAMAGE_ROUNDS sets how many files are damaged.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from adbc_driver_manager import Error

from tests.conftest import FIXED_SEED
from tests.support.server_process import ServerProcess

SEED = int(os.environ.get("FROSTLINE_DAMAGE_SEED") or FIXED_SEED or Random().randrange(10**9))
ROUNDS = int(os.environ.get("FROSTLINE_DAMAGE_ROUNDS") or 60)
TABLES = ("alpha", "beta", "gamma")
ROWS = 3000
QUESTIONS = (
    "SELECT count(*), sum(k), min(v), max(v) FROM {}",
    "SELECT k, v FROM {} WHERE k = 1234",
    "SELECT v FROM {} ORDER BY k DESC LIMIT 3",
)


@pytest.fixture(scope="module")
def answers(server: ServerProcess) -> dict[str, list[Any]]:
    """What each question gives while all files are whole."""
    with server.connect() as connection, connection.cursor() as cursor:
        for place, table in enumerate(TABLES):
            cursor.execute(f"CREATE TABLE {table} (k BIGINT PRIMARY KEY, v VARCHAR)")
            for half in range(2):
                values = f"SELECT value, 'v' || (value * {place + 3}) FROM range({half * ROWS}, {half * ROWS + ROWS})"
                cursor.execute(f"INSERT INTO {table} {values}")
                cursor.execute(f"FLUSH TABLE {table}")
                job_id = cursor.fetchone()[0]
                cursor.execute(f"WAIT FOR JOB '{job_id}'")
            cursor.execute(f"DELETE FROM {table} WHERE k % 100 = 7")
        return {q.format(t): ask(cursor, q.format(t)) for t in TABLES for q in QUESTIONS}


def ask(cursor: Any, sql: str) -> list[Any]:
    cursor.execute(sql)
    return list(cursor.fetchall())


def ask_or_refusal(cursor: Any, sql: str) -> list[Any] | str:
    try:
        return ask(cursor, sql)
    except Error as error:
        return str(error)


def flip(random: Random, file: Path, other: Path) -> None:
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)


def cut(random: Random, file: Path, other: Path) -> None:
    os.truncate(file, random.randrange(file.stat().st_size))


def swap(random: Random, file: Path, other: Path) -> None:
    shutil.copyfile(other, file)


def swap_padded(random: Random, file: Path, other: Path) -> None:
    """Another table's rows, in as many bytes."""
    content = other.read_bytes()
    size = file.stat().st_size
    file.write_bytes(content[:size].ljust(size, b"\0"))


def lose(random: Random, file: Path, other: Path) -> None:
    file.unlink()


KINDS: tuple[Callable[[Random, Path, Path], None], ...] = (flip, flip, flip, cut, swap, swap_padded, lose)


def test_no_damage_gives_a_wrong_answer(server: ServerProcess, answers: dict[str, list[Any]]):
    print(f"FROSTLINE_DAMAGE_SEED={SEED}")
    folder = server.data / "cold" / "public"
    with server.connect() as connection, connection.cursor() as cursor:
        for round_ in range(ROUNDS):
            random = Random(f"{SEED}-{round_}")
            table, other = random.sample(TABLES, 2)
            file = random.choice(sorted((folder / table).glob("*.parquet")))
            kind = random.choice(KINDS)
            good = file.read_bytes()
            kind(random, file, random.choice(sorted((folder / other).glob("*.parquet"))))
            where = f"round {round_}: {kind.__name__} of {file.name}"
            for sql, expected in answers.items():
                found = ask_or_refusal(cursor, sql)
                if f"FROM {table}" not in sql:
                    assert found == expected, where
                elif isinstance(found, str):
                    assert "XX001" in found, f"{where}: {found}"
                    assert file.name in found, f"{where}: {found}"
                    assert str(server.data) not in found
                else:
                    # A query may find that it does not need the file at all.
                    assert found == expected, where
                    assert "count" not in sql, where
            file.write_bytes(good)
        for sql, expected in answers.items():
            assert ask(cursor, sql) == expected


@pytest.mark.parametrize("kind", [flip, cut, swap, lose], ids=lambda kind: kind.__name__)
def test_a_scrub_finds_it_without_a_query(
    kind: Callable[[Random, Path, Path], None], server: ServerProcess, answers: dict[str, list[Any]]
):
    folder = server.data / "cold" / "public"
    file, other = (min((folder / table).glob("*.parquet")) for table in TABLES[:2])
    good = file.read_bytes()
    kind(Random(SEED), file, other)
    with server.connect() as connection, connection.cursor() as cursor:
        for statement, found in (("SCRUB ALL", "failed"), ("SCRUB TABLE beta", "completed")):
            cursor.execute(statement)
            cursor.execute(f"WAIT FOR JOB '{cursor.fetchone()[0]}'")
            job_id, _, _, status, message, _ = cursor.fetchone()
            assert status == found, message
            assert (file.name in message) == (found == "failed"), message
            [(error,)] = ask(cursor, f"SELECT error FROM system.jobs WHERE job_id = '{job_id}'")
            assert ("public.alpha" in error) == (found == "failed")
    file.write_bytes(good)


def test_a_change_of_a_table_with_a_damaged_file_is_refused_and_stores_nothing(
    server: ServerProcess, answers: dict[str, list[Any]]
):
    file = min((server.data / "cold" / "public" / "alpha").glob("*.parquet"))
    good = file.read_bytes()
    flip(Random(SEED), file, file)
    with server.connect() as connection, connection.cursor() as cursor:
        for sql in ("UPDATE alpha SET v = 'x'", "DELETE FROM alpha WHERE v LIKE 'v1%'"):
            with pytest.raises(Error, match="XX001"):
                cursor.execute(sql)
        cursor.execute("COMPACT TABLE alpha")
        cursor.execute(f"WAIT FOR JOB '{cursor.fetchone()[0]}'")
        assert cursor.fetchone()[3] == "failed"
        cursor.execute("INSERT INTO alpha VALUES (-1, 'new')")  # needs no cold file
        file.write_bytes(good)
        cursor.execute("DELETE FROM alpha WHERE k = -1")
        for sql, expected in answers.items():
            assert ask(cursor, sql) == expected
