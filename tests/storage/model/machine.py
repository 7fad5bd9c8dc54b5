"""The state machine: changes, moves, schema changes, crashes and restarts in any order, each checked.

The promise, line by line:
  1. what was answered is there after a crash       `settle`, points in AFTER
  2. what was not is there whole or not at all      `settle`
  3. a reader sees one moment                       snapshots that stay open over changes, flushes and sweeps
  4. a row is in hot or in cold, never in neither   every read, after every step
  5. damage is reported                             not here: test_damaged_log, test_recovery
  6. a clock that goes back loses nothing           `reopen`
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage import failpoints
from storage.catalog.schema import SEQ, Column, TableDef, write_fill
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import ConstraintViolated
from storage.maintenance.sweep import sweep
from storage.settings import StorageSettings
from storage.state.edits import Edit
from storage.state.snapshots import Snapshot
from storage.state.state import DatabaseState, live_files
from storage.transactions.transaction import Transaction
from tests.storage.model.crashes import Crash, Cut, cuts, outcomes
from tests.storage.model.oracle import Model, Shown, TableModel, arranged
from tests.storage.model.staging import stage_and_commit, stage_files
from tests.support.storage_builders import (
    SPILLING,
    alter,
    clean,
    compact,
    definition,
    delete_in,
    drop,
    files_on_disk,
    flush,
    now,
    opened,
    partition,
    read,
    read_as_of,
    stage_rows,
    verify_cold_files,
)

KEYS = st.integers(0, 9)
KEY_SETS = st.sets(KEYS, min_size=1, max_size=4)
PICKS = st.integers(0, 2)  # which of the tables there are
TABLES_MAX = 3
SNAPSHOTS_MAX = 3
COLUMNS_MADE_MAX = 4
INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64()]
RETENTION_SECONDS = 3600


ROW_CUTS = cuts("transaction", "commit", "log")
LOAD_CUTS = cuts("load", "file", "transaction", "commit", "log")
DEFINITION_CUTS = cuts("commit", "log")
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - syncs cost nothing there, and a crash leaves the same
HOT_SETTINGS = StorageSettings(row_group_rows=1024)


class EngineAgainstModel(RuleBasedStateMachine):
    """The machine.

    model:     what is there
    pasts:     `_seq` of a moment -> keys of each table then
    snapshots: open ones, each with what it shows
    """

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
        self.directory = self.home / "0"
        self.clock = ManualClock()
        self.model = Model()
        self.defined: dict[int, TableDef] = {}
        self.pasts: dict[int, dict[int, list[int]]] = {}
        self.versions: dict[int, tuple[int, int]] = {}
        self.snapshots: list[tuple[Snapshot, Model]] = []
        self.crashes = self.tables_made = self.value = 0

    # --- the engine under test ---------------------------------------------------------------------------------------

    @initialize(spilling=st.booleans(), keyed=st.booleans())
    def begin(self, spilling: bool, keyed: bool) -> None:
        self.settings = SPILLING if spilling else HOT_SETTINGS
        self.open()
        self.make_table(keyed=True)
        self.make_table(keyed=keyed)

    def open(self) -> None:
        self.opening = opened(self.directory, self.clock, self.settings)
        self.engine: Engine = self.opening.__enter__()

    def close(self) -> None:
        for snapshot, _ in self.snapshots:
            snapshot.close()
        self.snapshots.clear()
        self.opening.__exit__(None, None, None)

    def teardown(self) -> None:
        failpoints.disarm()
        if hasattr(self, "opening"):
            self.close()
        shutil.rmtree(self.home)

    def make_table(self, *, keyed: bool, cut: Cut = None) -> None:
        self.tables_made += 1
        name, columns = f"t{self.tables_made}", {"k": pa.int64(), "n": pa.int8()}
        key = ("k",) if keyed else ()
        with self.changing(cut) as after:
            table = definition(self.engine, name, columns, key, deleted_retention_seconds=RETENTION_SECONDS)
            self.defined[table.table_id] = table
            after.tables[table.table_id] = TableModel(name, keyed, list(columns))
            self.engine.commit(Edit(catalog=lambda catalog: catalog.with_new_table(table)))

    # --- before and after --------------------------------------------------------------------------------------------

    @contextmanager
    def changing(self, cut: Cut = None) -> Any:
        """Gives the model to be changed; at the end it is what must be there, or may be when it was `cut` off."""
        after = self.model.copy()
        self.crashes += 1
        crash = Crash(cut, self.directory, self.home / str(self.crashes)) if cut else None
        try:
            yield after
        finally:
            failpoints.disarm()
        if crash is None or crash.image is None:
            self.model = after
        else:
            self.recover_from(crash, after)

    def recover_from(self, crash: Crash, after: Model) -> None:
        self.close()
        shutil.rmtree(self.directory)
        assert crash.image is not None
        self.directory = crash.image
        self.open()
        found, may_be = self.found(), outcomes(crash.point)
        allowed = [m for happened, m in ((False, self.model), (True, after)) if may_be(happened)]
        if found not in [m.shown() for m in allowed]:
            raise AssertionError(f"cut off at {crash.point}: {found}, not {[m.shown() for m in allowed]}")
        self.model = next(m for m in allowed if m.shown() == found)

    def found(self, state: DatabaseState | None = None) -> Shown:
        """What the engine shows, like `Model.shown`."""
        state = state or self.engine.state
        tables = state.catalog.tables.values()
        return {t.table_id: arranged([c.name for c in t.columns], read(self.engine, t, state)) for t in tables}

    def chosen(self, pick: int) -> TableDef:
        return now(self.engine, self.defined[sorted(self.model.tables)[pick % len(self.model.tables)]])

    def new_rows(self, after: TableModel, ks: set[int]) -> list[list[Any]]:
        """Rows of the table as it is now, values never seen before."""
        self.value = (self.value + 1) % 100
        return [[k if name == "k" else self.value for name in after.columns] for k in sorted(ks)]

    # --- rows --------------------------------------------------------------------------------------------------------

    @rule(pick=PICKS, ks=KEY_SETS, cut=ROW_CUTS)
    def insert(self, pick: int, ks: set[int], cut: Cut) -> None:
        self.add(pick, ks, stage_rows, cut)

    @rule(pick=PICKS, ks=KEY_SETS, cut=LOAD_CUTS)
    def load(self, pick: int, ks: set[int], cut: Cut) -> None:
        """Straight to Parquet, as a bulk load of many rows."""
        self.add(pick, ks, stage_files, cut)

    def add(self, pick: int, ks: set[int], stage: Callable[..., None], cut: Cut) -> None:
        table = self.chosen(pick)
        with self.changing(cut) as after:
            own, to = self.engine.begin(), after.tables[table.table_id]
            rows = self.new_rows(to, ks)
            if not to.takes(ks):
                with pytest.raises(ConstraintViolated):
                    stage_and_commit(stage, self.engine, own, table, rows)
                own.rollback()
            else:
                stage_and_commit(stage, self.engine, own, table, rows)
                to.put(rows)

    @rule(pick=PICKS, ks=KEY_SETS, spill=st.booleans(), cut=LOAD_CUTS)
    def upsert(self, pick: int, ks: set[int], spill: bool, cut: Cut) -> None:
        self.put(pick, ks, stage_files if spill else stage_rows, cut)

    def put(self, pick: int, ks: set[int], stage: Callable[..., None], cut: Cut) -> None:
        table = self.chosen(pick)
        with self.changing(cut) as after:
            own = self.engine.begin()
            self.replace(own, table, after, ks, stage)
            own.commit(durable=True)

    @rule(pick=PICKS, ks=KEY_SETS, cut=ROW_CUTS)
    def delete(self, pick: int, ks: set[int], cut: Cut) -> None:
        table = self.chosen(pick)
        with self.changing(cut) as after:
            own = self.engine.begin()
            delete_in(self.engine, own, table, "k", *ks)
            own.commit(durable=True)
            after.tables[table.table_id].without(ks)

    @rule(ks=KEY_SETS, gone=KEY_SETS, twice=st.booleans(), cut=ROW_CUTS)
    def change_all_tables(self, ks: set[int], gone: set[int], twice: bool, cut: Cut) -> None:
        """One transaction over every table: all of it or nothing."""
        with self.changing(cut) as after:
            own = self.engine.begin()
            for table_id in after.tables:
                table = now(self.engine, self.defined[table_id])
                for _ in range(2 if twice else 1):  # the second time it replaces its own rows
                    self.replace(own, table, after, ks, stage_rows)
                delete_in(self.engine, own, table, "k", *gone)
                after.tables[table_id].without(gone)
            own.commit(durable=True)

    @rule(pick=PICKS, ks=KEY_SETS, rest=st.booleans(), cut=LOAD_CUTS)
    def change_mind(self, pick: int, ks: set[int], rest: bool, cut: Cut) -> None:
        """Changes that are undone, to a mark or all of them, leave no trace."""
        table = self.chosen(pick)
        with self.changing(cut):
            own = self.engine.begin()
            mark = own.mark()
            self.replace(own, table, self.model.copy(), ks, stage_files)
            if rest:
                own.restore(mark)
                own.commit(durable=True)
            else:
                own.rollback()

    def replace(
        self, own: Transaction, table: TableDef, after: Model, ks: set[int], stage: Callable[..., None]
    ) -> None:
        """What an upsert does: delete what is there, add the new."""
        to = after.tables[table.table_id]
        rows = self.new_rows(to, ks)
        delete_in(self.engine, own, table, "k", *ks)
        stage(self.engine, own, table, *rows)
        to.without(ks)
        to.put(rows)

    # --- moves -------------------------------------------------------------------------------------------------------

    @rule(pick=PICKS, ks=KEY_SETS, cut=cuts("flush", "file", "commit", "log"))
    def flush(self, pick: int, ks: set[int], cut: Cut) -> None:
        self.put(pick, ks, stage_rows, None)
        with self.changing(cut):
            flush(self.engine, self.chosen(pick))

    @rule(pick=PICKS, ks=KEY_SETS, force=st.booleans(), cut=cuts("compact", "file", "commit", "log"))
    def compact(self, pick: int, ks: set[int], force: bool, cut: Cut) -> None:
        self.put(pick, ks, stage_files, None)
        with self.changing(cut):
            compact(self.engine, self.chosen(pick), force=force)

    @rule(cut=cuts("cleanup", "commit", "log"))
    def clean_up(self, cut: Cut) -> None:
        with self.changing(cut):
            clean(self.engine, files_at_once=1)
            assert self.engine.dropped() == []

    @rule(cut=cuts("sweep", "commit", "log"))
    def sweep(self, cut: Cut) -> None:
        with self.changing(cut):
            sweep(self.engine)
            named = set(live_files(self.engine.state)) | self.engine.snapshots.paths_in_use()
            assert files_on_disk(self.engine) == named
            verify_cold_files(self.engine)

    @precondition(lambda self: len(self.snapshots) < SNAPSHOTS_MAX)
    @rule(pick=PICKS, ks=KEY_SETS)
    def sweep_what_is_being_read(self, pick: int, ks: set[int]) -> None:
        self.put(pick, ks, stage_files, None)
        self.begin_to_read()
        self.compact(pick, ks, force=True, cut=None)
        self.sweep(cut=None)

    # --- definitions -------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.tables) < TABLES_MAX)
    @rule(keyed=st.booleans(), cut=DEFINITION_CUTS)
    def create_table(self, keyed: bool, cut: Cut) -> None:
        self.make_table(keyed=keyed, cut=cut)

    @precondition(lambda self: len(self.model.tables) > 1)
    @rule(pick=PICKS, cut=DEFINITION_CUTS)
    def drop_table(self, pick: int, cut: Cut) -> None:
        table = self.chosen(pick)
        with self.changing(cut) as after:
            del after.tables[table.table_id]
            drop(self.engine, table)

    @rule(pick=PICKS, filled=st.booleans(), cut=DEFINITION_CUTS)
    def add_column(self, pick: int, filled: bool, cut: Cut) -> None:
        table = self.chosen(pick)
        with self.changing(cut) as after:
            to = after.tables[table.table_id]
            if to.columns_made >= COLUMNS_MADE_MAX:
                return
            name, fill = f"c{to.columns_made}", write_fill(pa.array([42], pa.int32())) if filled else None
            added = Column(name=name, physical_name=name, type=pa.int32(), sql_type="INT", fill=fill)
            alter(self.engine, table, columns=(*table.columns, added))
            to.add_column(name, 42 if filled else None)

    @rule(pick=PICKS, which=st.integers(0, COLUMNS_MADE_MAX), rename=st.booleans(), cut=DEFINITION_CUTS)
    def drop_or_rename_column(self, pick: int, which: int, rename: bool, cut: Cut) -> None:
        table = self.chosen(pick)
        made = [c for c in table.columns if c.name not in ("k", "n")]
        if not made:
            return
        old = made[which % len(made)]
        with self.changing(cut) as after:
            to = after.tables[table.table_id]
            if rename:
                new = msgspec.structs.replace(old, name=old.name + "x")
                alter(self.engine, table, columns=tuple(new if c is old else c for c in table.columns))
                to.rename_column(old.name, new.name)
            else:
                alter(self.engine, table, columns=tuple(c for c in table.columns if c is not old))
                to.drop_column(old.name)

    @rule(pick=PICKS, cut=DEFINITION_CUTS)
    def widen_column(self, pick: int, cut: Cut) -> None:
        table = self.chosen(pick)
        with self.changing(cut):
            wider = INTEGERS[min(INTEGERS.index(table.columns[1].type) + 1, 3)]
            widened = msgspec.structs.replace(table.columns[1], type=wider)
            alter(self.engine, table, columns=(table.columns[0], widened, *table.columns[2:]))

    # --- time and processes ------------------------------------------------------------------------------------------

    @rule(clock_back=st.booleans(), cut=cuts("close", "open"))
    def reopen(self, clock_back: bool, cut: Cut) -> None:
        with self.changing(cut):
            before = self.engine.state.last_seq
            self.close()
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
    def remember_this_moment(self) -> None:
        self.pasts[self.engine.state.last_seq] = {table_id: t.ks() for table_id, t in self.model.tables.items()}

    @precondition(lambda self: len(self.snapshots) < SNAPSHOTS_MAX)
    @rule()
    def begin_to_read(self) -> None:
        self.snapshots.append((self.engine.snapshot(), self.model.copy()))

    @precondition(lambda self: self.snapshots)
    @rule()
    def end_reading(self) -> None:
        self.snapshots.pop(0)[0].close()

    # --- what must hold after every step -----------------------------------------------------------------------------

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        assert self.found() == self.model.shown()
        for table_id, table in self.model.tables.items():
            assert partition(self.engine, self.defined[table_id]).rows == len(table.rows)

    @invariant()
    def a_version_is_one_row_for_ever_and_the_index_knows_it(self) -> None:
        for table_id, table in self.model.tables.items():
            shown = [(row["k"], row[SEQ]) for row in read(self.engine, self.defined[table_id])]
            for k, seq in shown:
                assert self.versions.setdefault(seq, (table_id, k)) == (table_id, k)
            if table.keyed:
                live = dict(shown)
                encoded = [(k + 2**63).to_bytes(8, "big") for k in range(10)]
                found = self.engine.keys.find(self.defined[table_id].partition_id, encoded)
                assert found == [live.get(k) for k in range(10)]

    @invariant()
    def the_past_is_still_there(self) -> None:
        for seq, then in self.pasts.items():
            for table_id, ks in then.items():
                if table_id in self.model.tables:
                    assert read_as_of(self.engine, self.defined[table_id], seq) == ks

    @invariant()
    def an_open_snapshot_shows_its_moment(self) -> None:
        for snapshot, then in self.snapshots:
            assert self.found(snapshot.state) == then.shown()
