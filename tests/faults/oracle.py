"""What must be true of a data directory after a fault, whatever the fault was.

The one who changes things keeps a journal outside the data directory: before a change what the database would hold
after it ("pending"), after the answer what it holds ("acked"). After a restart it holds the one or the other, whole.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from storage.catalog.names import table_name
from storage.catalog.partition_ids import table_of_partition
from storage.catalog.schema import TableDef
from storage.clock import SystemClock
from storage.engine import Engine
from storage.errors import ConstraintViolated
from storage.maintenance.sweep import SweepResult, sweep
from storage.rowstore.keys import DELETES, HOT, MANIFEST, PK
from storage.settings import StorageSettings
from storage.state.state import live_files
from tests.support import storage_builders as furniture
from tests.support.storage_builders import verify_cold_files

# Statements of more than some rows go to files, and files are small: every step of every size within few rows.
SMALL: Final = StorageSettings(hot_statement_bytes_max=4000, row_group_rows=64, file_bytes_target=12_000)

Content = dict[str, Any]
"""{"tables": {name: {"columns": [name, ..], "rows": {key as text: value}}}, "jobs": {id: record}}; `jobs` may be
expected as None: not looked at."""

NOTHING: Final[Content] = {"tables": {}, "jobs": {}}


class Journal:
    """The file of one who changes things. Lines are written at once: a kill loses none."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def pending(self, content: Content) -> None:
        self._write("pending", content)

    def acked(self, content: Content) -> None:
        self._write("acked", content)

    def _write(self, kind: str, content: Content) -> None:
        os.write(self._file, (json.dumps({"kind": kind, "content": content}) + "\n").encode())


@dataclass(frozen=True, slots=True)
class Expected:
    """`pending` is None when no answer was missing."""

    acked: Content
    pending: Content | None

    @staticmethod
    def read(path: Path) -> Expected:
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        acked = next((line["content"] for line in reversed(lines) if line["kind"] == "acked"), NOTHING)
        pending = lines[-1]["content"] if lines and lines[-1]["kind"] == "pending" else None
        return Expected(acked, pending)

    def settle(self, found: Content) -> None:
        """Fails on a row lost, doubled or unknown, and on a change half done."""
        if self.acked["jobs"] is None:
            found = {**found, "jobs": None}
        if found in (self.acked, self.pending):
            return
        pending = "nothing" if self.pending is None else difference(self.pending, found)
        raise AssertionError(f"against the acknowledged: {difference(self.acked, found)}; the pending: {pending}")


def pad_of(k: int, v: int) -> str:
    """Fills a row up with what can't be compressed, and can't be right by chance."""
    return sha256(f"{k} {v}".encode()).hexdigest()


def content_of(engine: Engine) -> Content:
    """Everything that a client could see, as `Content`."""
    tables = {}
    for name, table in engine.state.catalog.tables.items():
        columns = [column.name for column in table.columns]
        rows: dict[str, int] = {}
        for row in furniture.read(engine, table):
            assert str(row["k"]) not in rows, f"key {row['k']} is in table {name} twice"
            assert row["pad"] == pad_of(row["k"], row["v"])
            rows[str(row["k"])] = row["v"]
        tables[name.table] = {"columns": columns, "rows": rows}
    return {"tables": tables, "jobs": {job: record.decode() for job, record in engine.job_records.jobs()}}


def check(directory: Path, journal: Path) -> None:
    """Restart twice and look, then go on working: the whole oracle."""
    expected = Expected.read(journal)
    with furniture.opened(directory, SystemClock(), SMALL) as engine:
        expected.settle(content_of(engine))
        check_files(engine)
        before = picture(engine)
    with furniture.opened(directory, SystemClock(), SMALL) as engine:
        assert picture(engine) == before, "the second restart changed something"
        assert sweep(engine) == SweepResult(files=0, bytes=0)
        _check_keys(engine, expected)
        _go_on(engine)
        check_files(engine)


def check_files(engine: Engine) -> None:
    """Every live file matches its checksum; cleanup and sweep leave no other, and no rows of dropped tables."""
    verify_cold_files(engine)
    furniture.clean(engine)
    assert engine.dropped() == []
    sweep(engine)
    assert furniture.files_on_disk(engine) == set(live_files(engine.state))
    for family in (HOT, DELETES, PK, MANIFEST):
        kept = {int.from_bytes(key[:8], "big") for key, _ in engine.row_store.scan(family)}
        assert {table_of_partition(id_) for id_ in kept} <= engine.state.catalog.tables_by_id.keys(), family


def picture(engine: Engine) -> dict[str, Any]:
    """All that a restart must not change: state, records, and files to the time of their last change."""
    partitions = engine.state.partitions.items()
    return {
        "content": content_of(engine),
        "catalog": engine.state.catalog,
        "last_seq": engine.state.last_seq,
        "hot": {number: [chunk.seqs.tolist() for chunk in partition.hot] for number, partition in partitions},
        "deletes": {number: partition.deletes.all.seqs.tolist() for number, partition in partitions},
        "manifest": live_files(engine.state),
        "files": sorted(
            (path, os.stat(engine.files.full(path)).st_mtime_ns) for path in furniture.files_on_disk(engine)
        ),
        "dropped": engine.dropped(),
    }


def _check_keys(engine: Engine, expected: Expected) -> None:
    """The primary-key index knows the rows that are there, and nothing of a change that was undone."""
    found = content_of(engine)
    for table in list(engine.state.catalog.tables.values()):
        if not table.primary_key:
            continue
        shown = found["tables"][table.name.table]["rows"]
        for k in list(shown)[:: max(len(shown) // 10, 1)]:
            with pytest.raises(ConstraintViolated):
                furniture.insert(engine, table, _row(table, int(k), 8))
        pending = (expected.pending or NOTHING)["tables"].get(table.name.table, {"rows": {}})["rows"]
        undone = [int(k) for k in pending.keys() - shown.keys()]
        if undone:
            furniture.insert(engine, table, *[_row(table, k, 8) for k in undone])


def _row(table: TableDef, k: int, v: int) -> tuple[Any, ...]:
    """k, v, pad, and NULL for what was added later."""
    return (k, v, pad_of(k, v), *[None] * (len(table.columns) - 3))


def _go_on(engine: Engine) -> None:
    """The directory is one to work with: new rows get new numbers, and all moves pass."""
    last_seq = engine.state.last_seq
    content = content_of(engine)
    for name, shown in content["tables"].items():
        table = engine.state.catalog.table(table_name("public", name))
        assert furniture.insert(engine, table, _row(table, -1, 7)).seq_first > last_seq
        shown["rows"]["-1"] = 7
        furniture.flush(engine, table)
        furniture.compact(engine, table)
    assert content_of(engine) == content


def difference(wanted: Content, found: Content) -> str:
    """In few words, for the one who reads a failed test."""
    said = []
    for name in wanted["tables"].keys() | found["tables"].keys():
        before, after = wanted["tables"].get(name), found["tables"].get(name)
        if before is None or after is None or before["columns"] != after["columns"]:
            said.append(f"table {name}: {before and before['columns']} became {after and after['columns']}")
        elif before["rows"] != after["rows"]:
            lost = dict(sorted(before["rows"].items() - after["rows"].items())[:5])
            new = dict(sorted(after["rows"].items() - before["rows"].items())[:5])
            said.append(f"table {name}: lost {lost}, new {new}")
    if wanted["jobs"] != found["jobs"]:
        said.append(f"jobs {wanted['jobs']} became {found['jobs']}")
    return ", ".join(said) or "none"
