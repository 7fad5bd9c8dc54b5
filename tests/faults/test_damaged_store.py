"""A flipped bit, or a missing file, anywhere in RocksDB's files: the start is refused naming the file and nothing is
rewritten, or no answer is other than it was.

The seed is printed; FROSTLINE_DAMAGE_SEED runs it again, FROSTLINE_DAMAGE_ROUNDS sets how many bits are flipped.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from storage.clock import ManualClock
from storage.errors import Corruption
from storage.rowstore.startup_check import read_through
from tests.conftest import FIXED_SEED
from tests.support.server_process import ServerProcess
from tests.support.storage_builders import delete, flush, insert, keys, make_table, opened, read, rows_batch

SEED = int(os.environ.get("FROSTLINE_DAMAGE_SEED") or FIXED_SEED or Random().randrange(10**9))
ROUNDS = int(os.environ.get("FROSTLINE_DAMAGE_ROUNDS") or 60)
KEYS = range(60)
FREE = ("LOG", "frostline.lock", "LOCK")  # hold no data; text for people


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a crash leaves of a life that followed another: tables of rows, a log with some more, deletes, a file."""
    directory = tmp_path_factory.mktemp("whole")
    with opened(directory / "data", ManualClock()) as engine:
        table = make_table(engine, key=("k",))
        for k in KEYS[:40]:
            insert(engine, table, (k, f"value {k}" * 5))
        flush(engine, make_table(engine, "other"))
    with opened(directory / "data", ManualClock()) as engine:
        for k in KEYS[40:]:
            insert(engine, table, (k, f"value {k}" * 5))
        delete(engine, table, "k", 3, 50)
        shutil.copytree(directory / "data", directory / "crashed")
    return directory / "crashed"


def copy_of(whole: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(whole, to))


def content(directory: Path) -> dict[str, bytes]:
    """Every byte that could be restored from."""
    files = (path for path in directory.rglob("*") if path.is_file() and not path.name.startswith(FREE))
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def answers(directory: Path) -> dict[str, Any]:
    """All rows, and who has each key. Raises Corruption."""
    with opened(directory, ManualClock()) as engine:
        (table,) = (t for t in engine.state.catalog.tables.values() if t.primary_key)
        encoded = keys(table, rows_batch(table, [(k, "") for k in KEYS]))
        found = {"rows": read(engine, table), "last": engine.state.last_seq}
        for key in encoded:
            with suppress(Corruption):  # a refused answer is not a wrong one
                [found[key.hex()]] = engine.keys.find(table.partition_id, [key])
        return found


def test_a_flipped_bit_is_refused_by_name_or_changes_no_answer(whole: Path, tmp_path: Path):
    print(f"FROSTLINE_DAMAGE_SEED={SEED}")
    expected = answers(copy_of(whole, tmp_path / "data"))
    refused = 0
    for round_ in range(ROUNDS):
        random = Random(f"{SEED}-{round_}")
        copy = copy_of(whole, tmp_path / "data")
        files = sorted(p for p in (copy / "rows").iterdir() if p.stat().st_size and not p.name.startswith(FREE))
        file = random.choice(files)
        damaged = bytearray(file.read_bytes())
        damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
        file.write_bytes(damaged)
        before = content(copy)
        found = answers_or_refusal(copy)
        if isinstance(found, Corruption):
            refused += 1
            named = file.name in found.message or f"*{file.suffix}" in found.message or file.name == "CURRENT"
            assert named, f"round {round_}, {file.name}: {found.message}"
            assert content(copy) == before
            continue
        assert found.items() <= expected.items(), f"round {round_}, {file.name}"
        assert len(found) == len(expected) or file.suffix == ".sst"
    assert refused or ROUNDS < 20


def answers_or_refusal(directory: Path) -> dict[str, Any] | Corruption:
    try:
        return answers(directory)
    except Corruption as error:
        return error


def test_every_bit_of_every_header_in_the_logs_matters(whole: Path, tmp_path: Path):
    """A length or a type that was changed must not be taken for an end that a crash tore off."""
    for log in [*(whole / "rows").glob("*.log"), *(whole / "rows").glob("MANIFEST-*")]:
        good, at, headers = log.read_bytes(), 0, []
        while at + 7 <= len(good):
            headers.append(at)
            at += 7 + int.from_bytes(good[at + 4 : at + 6], "little")
        copy = copy_of(whole, tmp_path / "data")
        for place in (headers[0] + 4, headers[-2] + 5, headers[-1] + 4, headers[-1] + 6):
            for bit in range(8):
                damaged = bytearray(good)
                damaged[place] ^= 1 << bit
                (copy / "rows" / log.name).write_bytes(damaged)
                before = content(copy)
                with pytest.raises(Corruption, match=log.name):
                    answers(copy)
                assert content(copy) == before


@pytest.mark.parametrize("kind", ["CURRENT", "MANIFEST-*", "*.sst", "*.log", "*"])
def test_a_missing_file_is_refused_and_the_rest_left_as_it_is(kind: str, whole: Path, tmp_path: Path):
    copy = copy_of(whole, tmp_path / "data")
    (copy / "cold" / "public").mkdir(exist_ok=True)
    (copy / "cold" / "public" / "some.parquet").write_bytes(b"rows")
    for file in (copy / "rows").glob(kind):
        file.unlink()
    before = content(copy)
    for _ in range(2):
        with pytest.raises(Corruption, match="restore"):
            answers(copy)
        assert content(copy) == before


def test_a_server_on_a_damaged_directory_ends_with_4_and_names_the_file(whole: Path, tmp_path: Path):
    copy = copy_of(whole, tmp_path / "data")
    (file,) = [path for path in (copy / "rows").glob("*.log") if path.stat().st_size]
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    before = content(copy)
    server = ServerProcess(copy)
    server.start()
    assert server.wait() == 4
    assert file.name in "\n".join(server.stderr)
    assert str(copy) not in "\n".join(server.stderr)
    assert content(copy) == before


def test_a_damaged_primary_key_is_never_taken_for_a_free_one(whole: Path, tmp_path: Path):
    """Keys are not read at the start; a look-up, and the scrub, finds what is wrong."""
    found = 0
    for name in [path.name for path in (whole / "rows").glob("*.sst")]:
        copy = copy_of(whole, tmp_path / "data")
        damaged = bytearray((copy / "rows" / name).read_bytes())
        damaged[10] ^= 1
        (copy / "rows" / name).write_bytes(damaged)
        with suppress(Corruption), opened(copy, ManualClock()) as engine:  # else it was read at the start
            (table,) = (t for t in engine.state.catalog.tables.values() if t.primary_key)
            every = keys(table, rows_batch(table, [(k, "") for k in KEYS]))
            with pytest.raises(Corruption, match=name):
                engine.keys.find(table.partition_id, every)
            with pytest.raises(Corruption, match=name):
                read_through(engine.row_store)
            found += 1
    assert found == 1
