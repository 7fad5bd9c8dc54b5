"""InsertCombiner stores small batches that several threads bring for one table as one edit: they share its work.

Flat combining, after Hendler, Incze, Shavit and Tzafrir (SPAA 2010): who comes while nobody stores begins at once; who
comes meanwhile waits, and one of those stores all that wait then. So there is no thread for it, and nobody waits for
others to come. What can't be stored together is refused to all of them: each may still be right by itself, and a
transaction of its own tells.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import pyarrow as pa

from flight_server.sql.change.row_conversion import checked_rows, keys_of
from flight_server.sql.context.same_object import SameObject
from flight_server.sql.interface.stored_batch import StoredBatch
from flight_server.sql.run.insert_plan import ROWS_MAX, InsertPlan, append_plan
from storage.catalog.schema import TableDef
from storage.engine import Engine
from storage.state.edits import Committed

GATHERED_ROWS_MAX: Final = 4 * ROWS_MAX


@dataclass(slots=True, eq=False)
class _Waiting:
    """A batch to be stored.

    turn:    held until somebody has stored it, or it is for its own thread to store what waits
    outcome: None in the latter case
    """

    batch: pa.RecordBatch
    turn: threading.Lock = field(default_factory=threading.Lock)
    outcome: StoredBatch | BaseException | None = None

    def result(self) -> StoredBatch:
        if isinstance(self.outcome, BaseException):
            raise copy.copy(self.outcome)  # others raise the same, each with frames of its own
        assert self.outcome is not None
        return self.outcome


class InsertCombiner:
    """Of one plan for batches of one schema. Safe from any thread."""

    def __init__(self, engine: Engine, plan: InsertPlan, *, durable: bool) -> None:
        self.plan = plan
        self.durable = durable
        self._insert = partial(engine.direct_inserts.insert, plan.table, replaces=False, durable=durable)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_combining = False

    def __repr__(self) -> str:
        return f"<InsertCombiner {self.plan.table.name} [{len(self._waiting)} waiting]>"

    def insert(self, batch: pa.RecordBatch) -> StoredBatch:
        """Store a small batch; returns when it is, durable or written as was asked.

        Raises Conflict, ConstraintViolated, InvalidRequest (this batch or one beside it is refused; nothing was
        stored), StorageUnavailable (outcome unknown), ClockRefused.
        """
        mine = _Waiting(batch)
        with self._lock:
            self._waiting.append(mine)
            is_first, self._is_combining = not self._is_combining, True
            if not is_first:
                mine.turn.acquire()
        if not is_first:
            mine.turn.acquire()  # when whoever combined has released it
        if mine.outcome is None:
            self._combine()
        return mine.result()

    def _combine(self) -> None:
        """Store what waits, the own batch being the first of it, then let another go on."""
        taken = self._take()
        try:
            self._store(taken)
        except BaseException as error:  # whoever waits is answered, whatever went wrong
            for each in taken:
                each.outcome = error
        finally:
            with self._lock:
                after = self._waiting[:1]
                self._is_combining = bool(after)
            for each in (*taken[1:], *after):
                each.turn.release()

    def _take(self) -> list[_Waiting]:
        """The first, and more while they are few rows."""
        with self._lock:
            count, rows = 0, 0
            for each in self._waiting:
                rows += each.batch.num_rows
                if count and rows > GATHERED_ROWS_MAX:
                    break
                count += 1
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    def _store(self, taken: Sequence[_Waiting]) -> None:
        batch = taken[0].batch if len(taken) == 1 else pa.concat_batches([each.batch for each in taken])
        rows = checked_rows(self.plan.table, self.plan.columns(batch), batch.num_rows)
        committed = self._insert(rows, tuple(keys_of(self.plan.table, rows)))
        stored = 0
        for each in taken:
            stored += each.batch.num_rows
            each.outcome = _stored(committed, each.batch.num_rows, stored, batch.num_rows)


def _stored(committed: Committed, rows: int, so_far: int, in_all: int) -> StoredBatch:
    """Of one of the batches of an edit. Nothing but rows of a table has a `_seq`, so they have all of the edit's."""
    if committed.discarded:
        return StoredBatch(0, None)
    is_all = committed.seq_last - committed.seq_first + 1 == in_all
    return StoredBatch(rows, committed.seq_first + so_far - 1 if is_all else committed.seq_last)


class InsertCombiners:
    """Those that are in use. Safe from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._combiners: weakref.WeakValueDictionary[_Key, InsertCombiner] = weakref.WeakValueDictionary()

    def of(self, table: TableDef, schema: pa.Schema, *, durable: bool) -> InsertCombiner | None:
        """For batches of `schema` in this very table, as long as it is held; None where they need a transaction."""
        key = (SameObject(table), schema, durable)
        with self._lock:
            found = self._combiners.get(key)
        if found is not None:
            return found
        plan = append_plan(table, schema.names)
        if plan is None or not plan.takes(schema):
            return None
        with self._lock:
            return self._combiners.setdefault(key, InsertCombiner(self._engine, plan, durable=durable))


_Key = tuple[SameObject[TableDef], pa.Schema, bool]
