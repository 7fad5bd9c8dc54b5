"""Users' partitions against an oracle: whoever is in memory, everybody has their own rows and sees one moment.

Any order of changes, transactions, snapshots, moves, evictions and restarts. A partition is read only when a rule
says so: reading brings it into memory.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from storage.catalog.catalog import Catalog
from storage.catalog.partition_ids import is_owned
from storage.catalog.schema import Column, TableDef, TableKind
from storage.catalog.table_options import KEEP_FOR_EVER
from storage.clock import ManualClock
from storage.engine import Engine
from storage.errors import Conflict, ConstraintViolated
from storage.maintenance.sweep import sweep
from storage.rowstore.owners import OwnerKey
from storage.settings import StorageSettings
from storage.state.edits import Edit
from storage.state.snapshots import Snapshot
from storage.state.state import DatabaseState
from storage.transactions.transaction import Transaction
from tests.support.storage_builders import (
    alter,
    compact,
    definition,
    delete_in,
    flush,
    now,
    read,
    stage_rows,
    verify_cold_files,
)

USERS: Final = ("ann", "bob", "cay", "dan")
SETTINGS: Final = StorageSettings(user_partitions_max=2, user_idle_seconds=60.0, row_group_rows=1024)
OPEN_MAX: Final = 3
COLUMNS_MAX: Final = 4

WHO = st.sampled_from(USERS)
WHICH = st.sampled_from((0, 1))
KEYS = st.sets(st.integers(1, 6), min_size=1, max_size=3)

Place = tuple[int, str]  # table, user
Rows = dict[int, str]


@dataclass
class Open:
    """A transaction under way, and what it must see and do."""

    transaction: Transaction
    seen: dict[Place, Rows]
    begun: dict[Place, int]
    version: int
    touched: set[Place] = field(default_factory=set)


@dataclass
class Held:
    snapshot: Snapshot
    then: dict[Place, Rows]
    begun: dict[Place, int]
    version: int


class OwnersAgainstModel(RuleBasedStateMachine):
    """`rows`: what everybody has; `changes`: how often that was changed; `version`: how often the tables were."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="frostline-owners-"))
        self.clock = ManualClock()
        self.rows: dict[Place, Rows] = {(table, user): {} for table in (0, 1) for user in USERS}
        self.changes = dict.fromkeys(self.rows, 0)
        self.version = 0
        self.value = 0
        self.open_ones: list[Open] = []
        self.held: list[Held] = []

    @initialize()
    def make_tables(self) -> None:
        self.engine = Engine.open(self.home / "data", SETTINGS, self.clock)
        self.tables: list[TableDef] = []
        for name in ("t0", "t1"):
            made = definition(self.engine, name, key=("k",), deleted_retention_seconds=KEEP_FOR_EVER)
            made = msgspec.structs.replace(made, kind=TableKind.USER)
            self.engine.commit(Edit(catalog=partial(Catalog.with_new_table, table=made)))
            self.tables.append(made)

    # --- changes -----------------------------------------------------------------------------------------------------

    def own(self, which: int, user: str) -> TableDef:
        return now(self.engine, self.tables[which]).owned_by(self.engine.users.owner(OwnerKey(user)))

    def row(self, table: TableDef, k: int, value: str) -> list[Any]:
        return [k if c.name == "k" else value if c.name == "v" else None for c in table.columns]

    def next_value(self, user: str) -> str:
        self.value += 1
        return f"{user}{self.value}"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Ends with a commit."""
        transaction = self.engine.begin()
        try:
            yield transaction
            transaction.commit(durable=True)
        finally:
            transaction.rollback()

    def put(self, transaction: Transaction, place: Place, ks: set[int], rows: Rows) -> None:
        table, value = self.own(*place), self.next_value(place[1])
        table = transaction.state.catalog.table_by_id(table)
        delete_in(self.engine, transaction, table, "k", *ks)
        stage_rows(self.engine, transaction, table, *(self.row(table, k, value) for k in sorted(ks)))
        rows.update(dict.fromkeys(ks, value))

    def changed(self, *places: Place) -> None:
        for place in places:
            self.changes[place] += 1

    @rule(which=WHICH, user=WHO, ks=KEYS)
    def upsert(self, which: int, user: str, ks: set[int]) -> None:
        with self.transaction() as transaction:
            self.put(transaction, (which, user), ks, self.rows[which, user])
        self.changed((which, user))

    @rule(which=WHICH, user=WHO, ks=KEYS)
    def insert(self, which: int, user: str, ks: set[int]) -> None:
        """Refused when the owner, and nobody else, has one of the keys."""
        table, value, rows = self.own(which, user), self.next_value(user), self.rows[which, user]
        try:
            with self.transaction() as transaction:
                stage_rows(self.engine, transaction, table, *(self.row(table, k, value) for k in sorted(ks)))
        except ConstraintViolated:
            assert ks & rows.keys()
            return
        assert not ks & rows.keys()
        rows.update(dict.fromkeys(ks, value))
        self.changed((which, user))

    @rule(which=WHICH, user=WHO, ks=KEYS)
    def delete(self, which: int, user: str, ks: set[int]) -> None:
        with self.transaction() as transaction:
            delete_in(self.engine, transaction, self.own(which, user), "k", *ks)
        if ks & self.rows[which, user].keys():
            self.changed((which, user))
        for k in ks:
            self.rows[which, user].pop(k, None)

    @precondition(lambda self: self.version + 2 < COLUMNS_MAX)
    @rule(which=WHICH)
    def add_column(self, which: int) -> None:
        table = now(self.engine, self.tables[which])
        name = f"x{len(table.columns)}"
        added = Column(name=name, physical_name=name, type=pa.string(), sql_type="TEXT")
        alter(self.engine, table, columns=(*table.columns, added))
        self.version += 1

    # --- transactions of several owners ------------------------------------------------------------------------------

    @precondition(lambda self: len(self.open_ones) < OPEN_MAX)
    @rule()
    def begin(self) -> None:
        seen = {place: rows.copy() for place, rows in self.rows.items()}
        self.open_ones.append(Open(self.engine.begin(), seen, self.changes.copy(), self.version))

    @precondition(lambda self: self.open_ones)
    @rule(pick=st.integers(0, 9), which=WHICH, user=WHO, ks=KEYS, remove=st.booleans())
    def change_in_it(self, pick: int, which: int, user: str, ks: set[int], remove: bool) -> None:
        one, place = self.open_ones[pick % len(self.open_ones)], (which, user)
        mark = one.transaction.mark()
        try:
            if remove:
                delete_in(self.engine, one.transaction, self.own(*place), "k", *ks)
                one.seen[place] = {k: v for k, v in one.seen[place].items() if k not in ks}
            else:
                self.put(one.transaction, place, ks, one.seen[place])
        except Conflict:
            assert self.is_behind(one, place)
            one.transaction.rollback()
            self.open_ones.remove(one)
            return
        del mark
        one.touched.add(place)

    @precondition(lambda self: self.open_ones)
    @rule(pick=st.integers(0, 9), commit=st.booleans())
    def end(self, pick: int, commit: bool) -> None:
        one = self.open_ones.pop(pick % len(self.open_ones))
        if not commit:
            one.transaction.rollback()
            return
        try:
            one.transaction.commit(durable=True)
        except Conflict:
            assert any(self.is_behind(one, place) for place in one.touched)
            return
        except ConstraintViolated:
            assert any(self.is_behind(one, place) for place in one.touched)
            return
        for place in one.touched:
            # What somebody else changed since then, and this did not meet, is there as well.
            self.rows[place] = self.found(place)
            behind = one.begun[place] != self.changes[place]
            assert behind or self.rows[place] == one.seen[place], place
            assert all(self.rows[place].get(k) == v for k, v in one.seen[place].items()) or behind
            self.changed(place)

    def is_behind(self, one: Open | Held, place: Place) -> bool:
        return one.begun[place] != self.changes[place] or one.version != self.version

    # --- reading -----------------------------------------------------------------------------------------------------

    def found(self, place: Place, state: DatabaseState | None = None) -> Rows:
        return {row["k"]: row["v"] for row in read(self.engine, self.own(*place), state)}

    @rule(which=WHICH, user=WHO)
    def look(self, which: int, user: str) -> None:
        assert self.found((which, user)) == self.rows[which, user]

    @precondition(lambda self: self.open_ones)
    @rule(pick=st.integers(0, 9), which=WHICH, user=WHO)
    def look_in_transaction(self, pick: int, which: int, user: str) -> None:
        one, place = self.open_ones[pick % len(self.open_ones)], (which, user)
        try:
            assert self.found(place, one.transaction.state) == one.seen[place]
        except Conflict:
            assert self.is_behind(one, place)

    @precondition(lambda self: len(self.held) < OPEN_MAX)
    @rule()
    def hold(self) -> None:
        then = {place: rows.copy() for place, rows in self.rows.items()}
        self.held.append(Held(self.engine.snapshot(), then, self.changes.copy(), self.version))

    @precondition(lambda self: self.held)
    @rule(pick=st.integers(0, 9), which=WHICH, user=WHO, close=st.booleans())
    def look_back(self, pick: int, which: int, user: str, close: bool) -> None:
        held, place = self.held[pick % len(self.held)], (which, user)
        try:
            assert self.found(place, held.snapshot.state) == held.then[place]
        except Conflict:
            assert self.is_behind(held, place)
        if close:
            held.snapshot.close()
            self.held.remove(held)

    # --- moves -------------------------------------------------------------------------------------------------------

    @rule(which=WHICH, user=WHO)
    def flush(self, which: int, user: str) -> None:
        flush(self.engine, self.own(which, user))

    @rule(which=WHICH, user=WHO)
    def compact(self, which: int, user: str) -> None:
        compact(self.engine, self.own(which, user))

    @rule(which=WHICH, users=st.sets(WHO))
    def let_go(self, which: int, users: set[str]) -> None:
        ids = [self.own(which, user).partition_id for user in users]
        self.engine.committer.unload(lambda _: ids)

    @rule()
    def grow_idle(self) -> None:
        self.clock.advance(61)
        self.engine.users.release_idle()

    @rule()
    def sweep(self) -> None:
        self.engine.obsolete_files.remove_unused()
        sweep(self.engine)
        verify_cold_files(self.engine)

    @rule()
    def restart(self) -> None:
        self.end_all()
        last = self.engine.state.last_seq
        self.engine.close()
        self.engine = Engine.open(self.home / "data", SETTINGS, self.clock)
        assert not any(is_owned(id_) for id_ in self.engine.state.partitions)
        assert self.engine.state.last_seq >= last

    def end_all(self) -> None:
        for one in self.open_ones:
            one.transaction.rollback()
        for held in self.held:
            held.snapshot.close()
        self.open_ones, self.held = [], []

    def teardown(self) -> None:
        self.end_all()
        try:
            assert {place: self.found(place) for place in self.rows} == self.rows
            self.sweep()
            assert sum(map(is_owned, self.engine.state.partitions)) <= SETTINGS.user_partitions_max
        finally:
            self.engine.close()
            shutil.rmtree(self.home)
