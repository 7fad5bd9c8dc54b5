"""A storage engine at all of its work, once through, in an order that never changes: what the kill tests cut off.

Each step is told to a journal (see `oracle`) before it begins and after it was acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pytest

from jobs.ledger import JobRecord, JobType, Ledger, Trigger
from jobs.states import JobState
from storage.catalog.names import table_name
from storage.catalog.schema import Column, TableDef
from storage.clock import SystemClock
from storage.engine import Engine
from storage.errors import ConstraintViolated
from storage.maintenance.retention import compact_row_store
from storage.maintenance.sweep import sweep
from storage.seq import SEQ_TIME_SHIFT
from tests.faults.oracle import NOTHING, SMALL, Content, Journal, pad_of
from tests.support import storage_builders as furniture

KEY_COLUMNS: Final = {"k": pa.int64(), "v": pa.int64(), "pad": pa.string()}
LOADED_ROWS: Final = 500
EXTRA: Final = Column(name="extra", physical_name="extra", type=pa.int64(), sql_type="BIGINT")

Begin = Callable[[str], None]
"""Called with each step's kind before the step."""


class Work:
    """`content`: what the database holds by now."""

    def __init__(self, directory: Path, journal: Journal, begin: Begin) -> None:
        self.content: Content = deepcopy(NOTHING)
        self.directory = directory
        self._journal = journal
        self._begin = begin
        self.engine: Engine

    def open(self) -> None:
        self._begin("open")
        self.engine = Engine.open(self.directory, SMALL, SystemClock())
        self._ledger = Ledger(self.engine.job_records)

    def close(self) -> None:
        self._begin("close")
        self.engine.close()

    def run(self) -> None:
        """Every step. Raises what the engine raises; `content` is then still that of the step before."""
        for kind, after, act in self._steps():
            self._begin(kind)
            self._journal.pending(after)
            act()
            self.content = after
            self._journal.acked(after)

    def hot_tables(self) -> list[str]:
        """Tables with something to flush."""
        return [name for name in self.content["tables"] if furniture.partition(self.engine, self._table(name)).hot]

    def _steps(self) -> Iterator[tuple[str, Content, Callable[[], object]]]:
        """(kind, what the database holds after it, the step)."""
        for name, key in (("kv", ("k",)), ("log", ()), ("gone", ("k",))):
            yield "ddl", self._with_table(name), partial(self._create, name, key)
        yield self._inserting("kv", range(30), 1)
        yield self._inserting("log", range(10), 1)
        yield self._transaction()
        yield from self._moves("purge", "log")
        yield from self._moves("flush", "kv", "log")
        yield self._loading("kv", 1000)
        yield self._refused_load("kv", 700)
        yield self._loading("gone", 5000)
        yield self._inserting("gone", range(5), 1)
        yield self._replacing("kv", [1, 2, 1001, 1002], 2)
        yield self._deleting("kv", [3, 4, 1003, 1400])
        yield from self._moves("flush", "kv")
        yield from self._moves("purge", "kv")
        yield self._deleting("kv", [5, 1005])
        yield self._altering()
        yield self._inserting("log", range(20, 25), 3)
        yield from self._jobs()
        yield from self._moves("compact", "kv")
        yield self._dropping("gone")
        yield "cleanup", self.content, lambda: furniture.clean(self.engine, files_at_once=1)
        yield "sweep", self.content, self._sweep
        yield from self._moves("flush", "log")
        yield from self._moves("compact", "log")
        yield "sweep", self.content, self._sweep
        yield self._inserting("kv", range(60, 63), 4)

    def _with_table(self, name: str) -> Content:
        after = deepcopy(self.content)
        after["tables"][name] = {"columns": list(KEY_COLUMNS), "rows": {}}
        return after

    def _create(self, name: str, key: tuple[str, ...]) -> None:
        furniture.make_table(self.engine, name, columns=KEY_COLUMNS, key=key, deleted_retention_seconds=0)

    def _table(self, name: str) -> TableDef:
        return self.engine.state.catalog.table(table_name("public", name))

    def _with_rows(self, name: str, keys: range | list[int], v: int) -> Content:
        after = deepcopy(self.content)
        after["tables"][name]["rows"] |= {str(k): v for k in keys}
        return after

    def _rows(self, name: str, keys: range | list[int], v: int) -> list[tuple[object, ...]]:
        nulls = (None,) * (len(self.content["tables"][name]["columns"]) - len(KEY_COLUMNS))
        return [(k, v, pad_of(k, v), *nulls) for k in keys]

    def _inserting(self, name: str, keys: range, v: int) -> tuple[str, Content, Callable[[], object]]:
        rows = self._rows(name, keys, v)
        return "insert", self._with_rows(name, keys, v), lambda: furniture.insert(self.engine, self._table(name), *rows)

    def _refused_load(self, name: str, first: int) -> tuple[str, Content, Callable[[], object]]:
        """A load whose last keys are taken: it leaves nothing but entries in the key index, for the sweep."""
        _, _, load = self._loading(name, first)

        def act() -> None:
            with pytest.raises(ConstraintViolated):
                load()

        return "refused load", self.content, act

    def _loading(self, name: str, first: int) -> tuple[str, Content, Callable[[], object]]:
        keys = range(first, first + LOADED_ROWS)

        def act() -> None:
            transaction = self.engine.begin()
            table = self._table(name)
            stage = self.engine.write_stage(table)
            for at in range(0, LOADED_ROWS, 100):
                stage.append(furniture.rows_batch(table, self._rows(name, keys[at : at + 100], 1)))
            transaction.change(table, staged=stage.finish())
            transaction.commit(durable=True)

        return "load", self._with_rows(name, keys, 1), act

    def _replacing(self, name: str, keys: list[int], v: int) -> tuple[str, Content, Callable[[], object]]:
        """An upsert: the old rows go and the new ones come in one commit."""

        def act() -> None:
            transaction = self.engine.begin()
            furniture.delete_in(self.engine, transaction, self._table(name), "k", *keys)
            furniture.stage_rows(self.engine, transaction, self._table(name), *self._rows(name, keys, v))
            transaction.commit(durable=True)

        return "replace", self._with_rows(name, keys, v), act

    def _transaction(self) -> tuple[str, Content, Callable[[], object]]:
        """Both tables in one commit."""
        after = self._with_rows("kv", range(30, 35), 5)
        after["tables"]["log"]["rows"] |= {str(k): 5 for k in range(10, 15)}
        del after["tables"]["log"]["rows"]["0"]

        def act() -> None:
            transaction = self.engine.begin()
            furniture.stage_rows(self.engine, transaction, self._table("kv"), *self._rows("kv", range(30, 35), 5))
            furniture.stage_rows(self.engine, transaction, self._table("log"), *self._rows("log", range(10, 15), 5))
            furniture.delete_in(self.engine, transaction, self._table("log"), "k", 0)
            transaction.commit(durable=True)

        return "transaction", after, act

    def _deleting(self, name: str, keys: list[int]) -> tuple[str, Content, Callable[[], object]]:
        after = deepcopy(self.content)
        for k in keys:
            del after["tables"][name]["rows"][str(k)]
        return "delete", after, lambda: furniture.delete(self.engine, self._table(name), "k", *keys)

    def _altering(self) -> tuple[str, Content, Callable[[], object]]:
        after = deepcopy(self.content)
        after["tables"]["log"]["columns"].append(EXTRA.name)

        def act() -> None:
            table = self._table("log")
            furniture.alter(self.engine, table, columns=(*table.columns, EXTRA))

        return "ddl", after, act

    def _dropping(self, name: str) -> tuple[str, Content, Callable[[], object]]:
        after = deepcopy(self.content)
        del after["tables"][name]
        return "ddl", after, lambda: furniture.drop(self.engine, self._table(name))

    def _moves(self, kind: str, *names: str) -> Iterator[tuple[str, Content, Callable[[], object]]]:
        """Flush, compact or purge: no client sees a difference."""
        moves: dict[str, Callable[[Engine, TableDef], object]]
        moves = {"flush": furniture.flush, "compact": furniture.compact, "purge": _purge}
        for name in names:

            def act(name: str = name) -> None:
                moves[kind](self.engine, self._table(name))

            yield kind, self.content, act

    def _sweep(self) -> None:
        """Of files that a crash left, for in this work nothing else is left to the sweep."""
        for number in range(3):
            (self.engine.files.root / "public" / "kv" / f"left-{number}.parquet").write_bytes(b"of no use")
        sweep(self.engine)

    def _jobs(self) -> Iterator[tuple[str, Content, Callable[[], object]]]:
        for number, status in ((1, JobState.RUNNING), (1, JobState.COMPLETED), (2, JobState.QUEUED)):
            record = _job(number, status)
            after = deepcopy(self.content)
            after["jobs"][record.job_id] = _written(record)
            yield "ledger", after, partial(self._ledger.put, record)
        after = deepcopy(self.content)
        del after["jobs"]["FL-1"]
        yield "ledger", after, lambda: self._ledger.purge(2, 1000)


def _purge(engine: Engine, table: TableDef) -> None:
    """As the retention job does, once the deletes are of an earlier millisecond."""
    while engine.clock.wall_ms() <= engine.state.last_seq >> SEQ_TIME_SHIFT:
        time.sleep(0.001)
    furniture.purge(engine, table)
    compact_row_store(engine, table)


def _job(number: int, status: JobState) -> JobRecord:
    return JobRecord(
        job_id=f"FL-{number}",
        job_type=JobType.FLUSH,
        target="public.kv",
        trigger=Trigger.USER,
        priority=1,
        created_ms=number,
        status=status,
        finished_ms=1 if status is JobState.COMPLETED else None,
    )


def _written(record: JobRecord) -> str:
    return msgspec.json.encode(record).decode()
