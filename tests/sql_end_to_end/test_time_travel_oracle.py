"""AS OF against an oracle: whatever happened in whatever order, each version and moment shows what was there then.

Random statements change one table, its definition among them; between them rows are flushed, compacted and purged.
After each commit the oracle remembers the rows; at the end every past is asked for, by version and by time. A past that
was purged, or is older than the retention, must be refused, and no other.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from flight_server.access.sessions.session import Session
from storage.catalog.names import table_name
from storage.catalog.schema import TableDef
from storage.errors import InvalidRequest
from storage.maintenance.compaction import compact_partition, plan_compaction
from storage.maintenance.flush import flush_partition
from storage.maintenance.retention import expired_partitions, purge_step
from storage.seq import SEQ_TIME_SHIFT
from storage.settings import StorageSettings
from storage.state.state import PartitionState
from tests.support.in_process import House, house

RETENTION_SECONDS = 100
STEPS = 40
Rows = dict[int, dict[int, int | None]]
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - syncs cost nothing there


@dataclass
class Oracle:
    """columns: name now -> the column's number for life; rows: id -> number -> value; fills: number -> value that rows
    older than the column have."""

    columns: dict[str, int] = field(default_factory=lambda: {"v": 0})
    fills: dict[int, int | None] = field(default_factory=lambda: {0: None})
    rows: Rows = field(default_factory=dict)

    def shown(self, then: Rows) -> list[tuple[Any, ...]]:
        """Rows of a past under the columns of now."""
        numbers = self.columns.values()
        return [(id_, *(row.get(n, self.fills[n]) for n in numbers)) for id_, row in sorted(then.items())]


class World:
    """A table in a house, its oracle, and what is remembered of each commit: version -> (ms, rows)."""

    def __init__(self, rooms: House, session: Session, kind: str, random: Random) -> None:
        self.rooms, self.session, self.random = rooms, session, random
        self.oracle = Oracle()
        self.pasts: dict[int, tuple[int, Rows]] = {}
        self.next_id = self.next_column = 1
        self.retention_seconds = RETENTION_SECONDS
        self.do(f"CREATE {kind} TABLE t (id BIGINT, v INT) WITH (deleted_retention = '{RETENTION_SECONDS}s')")
        self.remember()

    def do(self, sql: str) -> None:
        self.rooms.do(self.session, sql)

    def remember(self) -> None:
        engine = self.rooms.engine
        self.pasts[engine.state.last_seq] = (self.rooms.clock.wall_ms(), deepcopy(self.oracle.rows))
        self.rooms.clock.advance(0.001 * self.random.randint(1, 3))

    def partitions(self) -> Iterator[tuple[TableDef, PartitionState]]:
        engine = self.rooms.engine
        yield from list(engine.users.partitions_of(engine.state.catalog.table(table_name("public", "t"))))

    # what may happen

    def insert(self) -> None:
        rows = [(self.next_id + n, self.random.randint(0, 99)) for n in range(self.random.randint(1, 4))]
        self.next_id += len(rows)
        column = self.random.choice(list(self.oracle.columns) or ["id"])
        if column == "id":
            return
        self.do(f"INSERT INTO t (id, {column}) VALUES {', '.join(map(str, rows))}")
        number = self.oracle.columns[column]
        for id_, value in rows:
            others = {n: self.fills_of_new(n) for n in self.oracle.columns.values()}
            self.oracle.rows[id_] = others | {number: value}

    def fills_of_new(self, number: int) -> int | None:
        """DEFAULT is what old rows are filled with, too."""
        return self.oracle.fills[number]

    def update(self) -> None:
        if not self.oracle.columns:
            return
        name = self.random.choice(list(self.oracle.columns))
        low = self.random.randint(0, self.next_id)
        self.do(f"UPDATE t SET {name} = {low} WHERE id >= {low} AND id < {low + 3}")
        for id_ in range(low, low + 3):
            if id_ in self.oracle.rows:
                row = self.oracle.rows[id_]
                filled = {n: row.get(n, self.oracle.fills[n]) for n in self.oracle.columns.values()}
                self.oracle.rows[id_] = filled | {self.oracle.columns[name]: low}

    def delete(self) -> None:
        low = self.random.randint(0, self.next_id)
        self.do(f"DELETE FROM t WHERE id >= {low} AND id < {low + 3}")
        for id_ in range(low, low + 3):
            self.oracle.rows.pop(id_, None)

    def alter(self) -> None:
        act = self.random.choice((self._add, self._drop, self._rename, self._widen))
        act()

    def _add(self) -> None:
        name, default = f"c{self.next_column}", self.random.choice((None, 7))
        self.do(f"ALTER TABLE t ADD COLUMN {name} INT" + (f" DEFAULT {default}" if default else ""))
        self.oracle.columns[name] = self.next_column
        self.oracle.fills[self.next_column] = default
        self.next_column += 1

    def _drop(self) -> None:
        if len(self.oracle.columns) > 1:
            name = self.random.choice(list(self.oracle.columns))
            self.do(f"ALTER TABLE t DROP COLUMN {name}")
            del self.oracle.columns[name]

    def _rename(self) -> None:
        name = self.random.choice(list(self.oracle.columns))
        new = f"r{self.next_column}"
        self.next_column += 1
        self.do(f"ALTER TABLE t RENAME COLUMN {name} TO {new}")
        self.oracle.columns = {new if old == name else old: n for old, n in self.oracle.columns.items()}

    def _widen(self) -> None:
        self.do(f"ALTER TABLE t ALTER COLUMN {self.random.choice(list(self.oracle.columns))} TYPE BIGINT")

    def flush(self) -> None:
        for table, partition in self.partitions():
            flush_partition(self.rooms.engine, table, partition, lambda: False)

    def compact(self) -> None:
        engine, now_ms = self.rooms.engine, self.rooms.clock.wall_ms()
        for table, partition in self.partitions():
            limit = engine.purge_limit_seq()
            plan = plan_compaction(table, partition, engine.settings, now_ms, purge_limit_seq=limit, force=True)
            if plan is not None:
                compact_partition(engine, table, partition, plan, lambda: False)

    def purge(self) -> None:
        engine = self.rooms.engine
        table = engine.state.catalog.table(table_name("public", "t"))
        for partition_id in list(expired_partitions(engine, table)):
            while purge_step(engine, engine.users.owned_table(table, partition_id), partition_id, lambda: False):
                pass

    def wait(self) -> None:
        self.rooms.clock.advance(self.random.randint(1, RETENTION_SECONDS // 3))

    def change_retention(self) -> None:
        """For a while nothing is kept: what is purged then must not be missed silently later."""
        self.do("ALTER TABLE t SET (deleted_retention = '0')")
        self.remember()
        if self.random.random() < 0.5:
            self.purge()
        self.do(f"ALTER TABLE t SET (deleted_retention = '{RETENTION_SECONDS}s')")

    # what must be true

    def check(self) -> None:
        names = ", ".join(("id", *self.oracle.columns))
        assert self.read(f"SELECT {names} FROM t ORDER BY id") == self.oracle.shown(self.oracle.rows)
        [partition] = [partition for _, partition in self.partitions()] or [PartitionState(0)]
        kept_from_ms = self.rooms.clock.wall_ms() - RETENTION_SECONDS * 1000
        for seq, (at_ms, then) in self.pasts.items():
            moment = dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC).isoformat()
            is_kept = seq >> SEQ_TIME_SHIFT >= kept_from_ms and seq >= partition.purged_seq
            self.check_past(f"AS OF VERSION {seq}", then, is_kept=is_kept)
            is_kept = at_ms >= kept_from_ms and at_ms >= partition.purged_seq >> SEQ_TIME_SHIFT
            self.check_past(f"FOR SYSTEM_TIME AS OF TIMESTAMP '{moment}'", then, is_kept=is_kept)

    def check_past(self, clause: str, then: Rows, *, is_kept: bool) -> None:
        sql = f"SELECT {', '.join(('id', *self.oracle.columns))} FROM t {clause} ORDER BY id"
        if is_kept:
            assert self.read(sql) == self.oracle.shown(then), clause
        else:
            with pytest.raises(InvalidRequest, match="retention"):
                self.read(sql)

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.rooms.do(self.session, sql).to_pylist()]


@contextmanager
def world(kind: str, seed: int) -> Iterator[World]:
    with (
        tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder,
        house(Path(folder), StorageSettings(row_group_rows=1024)) as rooms,
    ):
        yield World(rooms, rooms.enter(), kind, Random(seed))


@pytest.mark.parametrize("kind", ["SHARED", "USER"])
@pytest.mark.parametrize("seed", range(3))
def test_every_past_is_shown_as_it_was_or_refused(kind: str, seed: int) -> None:
    with world(kind, seed) as there:
        acts: list[tuple[int, Callable[[], None]]] = [
            (6, there.insert),
            (5, there.update),
            (3, there.delete),
            (3, there.alter),
            (3, there.flush),
            (2, there.compact),
            (2, there.purge),
            (2, there.wait),
            (1, there.change_retention),
        ]
        for _ in range(STEPS):
            [act] = there.random.choices([act for _, act in acts], [weight for weight, _ in acts])
            act()
            there.remember()
        there.check()
        there.flush()
        there.compact()
        there.check()


def test_a_past_is_the_same_after_a_schema_change_in_hot_and_cold(tmp_path: Path) -> None:
    with house(tmp_path) as rooms:
        there = World(rooms, rooms.enter(), "SHARED", Random(1))
        there.insert()
        there.remember()
        there.flush()
        there.insert()
        there.remember()
        for change in (there._add, there._rename, there._widen, there._add, there._drop):
            change()
            there.remember()
            there.check()
