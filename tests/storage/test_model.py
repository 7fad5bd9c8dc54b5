"""The engine against a dictionary: any order of changes, moves, schema changes and restarts ends in the same rows."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import ConstraintViolated
from storage.schema import SEQ, Column, write_fill
from storage.settings import StorageSettings
from tests.storage.furniture import (
    SPILLING,
    alter,
    compact,
    delete_in,
    files_on_disk,
    flush,
    load,
    make_table,
    now,
    opened,
    partition,
    read,
    read_as_of,
    stage_rows,
)

KEYS = st.integers(0, 12)
INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64()]
RETENTION_SECONDS = 3600


class EngineAgainstDict(RuleBasedStateMachine):
    """One keyed table. `rows`: key -> the other columns by their names of now. `pasts`: commit -> keys then."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.rows: dict[int, dict[str, Any]] = {}
        self.pasts: dict[int, list[int]] = {}
        self.versions: dict[int, int] = {}
        self.columns_made = 0
        self.value = 0

    @initialize(spilling=st.booleans())
    def begin(self, spilling: bool) -> None:
        self.settings = SPILLING if spilling else StorageSettings(row_group_rows=1024)
        self.open()
        self.table = make_table(
            self.engine,
            columns={"k": pa.int64(), "n": pa.int8()},
            key=("k",),
            deleted_retention_seconds=RETENTION_SECONDS,
        )

    def open(self) -> None:
        self.opening = opened(self.directory, self.clock, self.settings)
        self.engine: Engine = self.opening.__enter__()

    def teardown(self) -> None:
        if hasattr(self, "opening"):
            self.opening.__exit__(None, None, None)
        shutil.rmtree(self.directory)

    def new_row(self, k: int) -> list[Any]:
        """A row of the table as it is now, values never seen before."""
        self.value = (self.value + 1) % 100
        return [k if c.name == "k" else self.value for c in now(self.engine, self.table).columns]

    def expect(self, row: list[Any]) -> None:
        names = [c.name for c in now(self.engine, self.table).columns]
        shown = dict(zip(names, row, strict=True))
        self.rows[shown.pop("k")] = shown

    @rule(ks=st.sets(KEYS, min_size=1, max_size=5))
    def insert(self, ks: set[int]) -> None:
        rows = [self.new_row(k) for k in sorted(ks)]
        if ks & self.rows.keys():
            with pytest.raises(ConstraintViolated):
                load(self.engine, self.table, *rows)
            return
        load(self.engine, self.table, *rows)
        for row in rows:
            self.expect(row)

    @rule(ks=st.sets(KEYS, min_size=1, max_size=5))
    def put(self, ks: set[int]) -> None:
        """What an upsert does: delete what is there, add the new, in one commit."""
        rows = [self.new_row(k) for k in sorted(ks)]
        own = self.engine.begin()
        delete_in(self.engine, own, self.table, "k", *ks)
        stage_rows(self.engine, own, self.table, *rows)
        own.commit(durable=True)
        for row in rows:
            self.expect(row)

    @rule(ks=st.sets(KEYS, min_size=1, max_size=5))
    def delete(self, ks: set[int]) -> None:
        own = self.engine.begin()
        delete_in(self.engine, own, self.table, "k", *ks)
        own.commit(durable=True)
        for k in ks:
            self.rows.pop(k, None)

    @rule(ks=st.sets(KEYS, min_size=1, max_size=3), again=st.booleans())
    def change_mind(self, ks: set[int], again: bool) -> None:
        """Changes that are rolled back, or undone to a mark, leave no trace."""
        own = self.engine.begin()
        mark = own.mark()
        delete_in(self.engine, own, self.table, "k", *ks)
        stage_rows(self.engine, own, self.table, *(self.new_row(k) for k in ks))
        if again:
            own.restore(mark)
            own.commit(durable=True)
        else:
            own.rollback()

    @rule()
    def flush(self) -> None:
        flush(self.engine, self.table)

    @rule(force=st.booleans())
    def compact(self, force: bool) -> None:
        compact(self.engine, self.table, force=force)

    @rule()
    def sweep(self) -> None:
        self.engine.sweep_now()
        assert files_on_disk(self.engine) == {file.path for file in partition(self.engine, self.table).cold}

    @precondition(lambda self: self.columns_made < 4)
    @rule(filled=st.booleans())
    def add_column(self, filled: bool) -> None:
        self.columns_made += 1
        name = f"c{self.columns_made}"
        fill = write_fill(pa.array([42], pa.int32())) if filled else None
        added = Column(name=name, physical_name=name, type=pa.int32(), sql_type="INT", fill=fill)
        alter(self.engine, self.table, columns=(*now(self.engine, self.table).columns, added))
        for row in self.rows.values():
            row[name] = 42 if filled else None

    @rule(data=st.data())
    def drop_column(self, data: st.DataObject) -> None:
        columns = now(self.engine, self.table).columns
        others = [c for c in columns if c.name not in ("k", "n")]
        if others:
            gone = data.draw(st.sampled_from(others))
            alter(self.engine, self.table, columns=tuple(c for c in columns if c is not gone))
            for row in self.rows.values():
                del row[gone.name]

    @rule(data=st.data())
    def rename_column(self, data: st.DataObject) -> None:
        columns = now(self.engine, self.table).columns
        others = [c for c in columns if c.name not in ("k", "n")]
        if others:
            old = data.draw(st.sampled_from(others))
            new = msgspec.structs.replace(old, name=old.name + "x")
            alter(self.engine, self.table, columns=tuple(new if c is old else c for c in columns))
            for row in self.rows.values():
                row[new.name] = row.pop(old.name)

    @rule()
    def widen_column(self) -> None:
        columns = now(self.engine, self.table).columns
        wider = INTEGERS[min(INTEGERS.index(columns[1].type) + 1, 3)]
        alter(
            self.engine, self.table, columns=(columns[0], msgspec.structs.replace(columns[1], type=wider), *columns[2:])
        )

    @rule(clock_back=st.booleans())
    def reopen(self, clock_back: bool) -> None:
        before = self.engine.state.last_seq
        self.opening.__exit__(None, None, None)
        if clock_back:
            self.clock.set_wall_ms(self.clock.wall_ms() - 1000)
        self.open()
        assert self.engine.state.last_seq == before

    @rule(seconds=st.sampled_from([1, 60, RETENTION_SECONDS + 1]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        if seconds > RETENTION_SECONDS:
            self.pasts.clear()

    @rule()
    def remember(self) -> None:
        self.pasts[self.engine.state.last_seq] = sorted(self.rows)

    @invariant()
    def rows_are_those_of_the_dictionary(self) -> None:
        if not hasattr(self, "table"):
            return
        shown = read(self.engine, self.table)
        seqs = {row["k"]: row.pop(SEQ) for row in shown}
        assert {row.pop("k"): row for row in shown} == self.rows
        assert len(shown) == len(self.rows) == partition(self.engine, self.table).rows
        for k, seq in seqs.items():  # a version is one value for ever
            assert self.versions.setdefault(seq, k) == k

    @invariant()
    def the_index_knows_each_live_version(self) -> None:
        if not hasattr(self, "table"):
            return
        live = {row["k"]: row[SEQ] for row in read(self.engine, self.table)}
        encoded = [(k + 2**63).to_bytes(8, "big") for k in range(13)]
        assert self.engine.keys.find(self.table.partition_id, encoded) == [live.get(k) for k in range(13)]

    @invariant()
    def the_past_is_still_there(self) -> None:
        for seq, ks in self.pasts.items():
            assert read_as_of(self.engine, self.table, seq) == ks


TestEngineAgainstDict = EngineAgainstDict.TestCase
TestEngineAgainstDict.settings = settings(
    max_examples=100, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck)
)
