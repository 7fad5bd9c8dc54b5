"""A stream table in a real engine, without SQL and without jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from storage.catalog.names import TableName
from storage.catalog.schema import Column, TableDef, TableKind
from storage.catalog.table_options import TableOptions
from storage.clock import ManualClock
from storage.engine import Engine
from storage.maintenance.eviction import plan_eviction
from storage.rowstore.keys import HOT, partition_range
from storage.settings import StorageSettings
from storage.state.edits import Edit, EvictChange, RowChange
from storage.state.state import PartitionState
from storage.state.stream_retention import visible

NAME = TableName("public", "ticks")


class Stream:
    """A stream table of (n BIGINT, p DOUBLE) in a real engine that can be reopened."""

    def __init__(
        self, directory: Path, clock: ManualClock, settings: StorageSettings | None = None, **options: object
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.settings = settings or StorageSettings()
        self.engine = Engine.open(directory, self.settings, clock)
        columns = (
            Column(name="n", physical_name="n", type=pa.int64(), sql_type="BIGINT"),
            Column(name="p", physical_name="p", type=pa.float64(), sql_type="DOUBLE"),
        )
        chosen = TableOptions(**{"retention_seconds": 10, "max_buffer": 5, **options})  # type: ignore[arg-type]
        self.definition = TableDef(
            table_id=self.engine.new_id(), name=NAME, kind=TableKind.STREAM, columns=columns, options=chosen
        )
        self.engine.commit(Edit(catalog=lambda catalog: catalog.with_new_table(self.definition)))

    @property
    def table(self) -> TableDef:
        return self.engine.state.catalog.table(NAME)

    @property
    def partition(self) -> PartitionState:
        return self.engine.state.partition(self.table.partition_id)

    def put(self, *numbers: int, priorities: Sequence[float] | None = None) -> None:
        values = priorities if priorities is not None else [0.0] * len(numbers)
        batch = pa.record_batch([pa.array(numbers, pa.int64()), pa.array(values, pa.float64())], names=["n", "p"])
        self.engine.commit(Edit(rows=(RowChange(self.table, inserts=(batch,)),)))

    def numbers(self, *, hidden: bool = False) -> list[int]:
        shown = self.partition if hidden else visible(self.table, self.partition, self.clock.wall_ms())
        return [n for chunk in shown.hot for n in chunk.live.column("n").to_pylist()]

    def alter(self, **options: object) -> None:
        old = self.table
        changed = msgspec.structs.replace(
            old, options=msgspec.structs.replace(old.options, **options), version=old.version + 1
        )
        self.engine.commit(Edit(catalog=lambda catalog: catalog.with_table(changed)))

    def evict(self, rows_max: int = 1 << 40) -> int:
        """One batch of those that are past the retention; how many left."""
        plan = plan_eviction(self.table, self.partition, self.clock.wall_ms(), rows_max)
        if plan is None:
            return 0
        change = EvictChange(self.table.partition_id, plan.seq_below)
        return self.engine.commit(Edit(maintenance=(change,), durable=False)).evicted

    def reopen(self) -> None:
        self.engine.close()
        self.engine = Engine.open(self.directory, self.settings, self.clock)

    def stored(self, family: str = HOT) -> int:
        """Keys on disk."""
        return len(list(self.engine.row_store.scan(family, *partition_range(self.table.partition_id))))
