"""MF- jobs relocate cold files to the storage that their table, or their user, is set to now. One file a step."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.executor import Step
from jobs.ledger import JobType
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.planner import JobRequest, table_wish
from jobs.targets import table_of
from storage.engine import Engine
from storage.maintenance.relocation import misplaced, misplaced_tables, move_step, placement


class MoveFilesExecutor:
    """Goes on while a file lies elsewhere than new ones would go."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, step: Step) -> Outcome:
        """Raises as `move_step`, and NotFound when the table was dropped meanwhile."""
        moved = move_step(self._engine, table_of(self._engine.state, step.record), step.cancelled)
        if moved is not None:
            return Continue(Figures(moved.rows, moved.bytes, 1))
        if step.record.files == 0:
            return Skipped("every file is in its place")
        return Completed(f"{step.record.files} files moved")


class Moves:
    """Says which tables have files to move. The whole manifest is read only after a definition that can change it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._seen: tuple[object, ...] | None = None

    def due(self) -> Iterator[JobRequest]:
        engine = self._engine
        catalog = engine.state.catalog
        now = placement(catalog)
        if len(catalog.storages) == 1:  # `local` alone: there is no other place
            self._seen = now
            return
        far = misplaced_tables(engine) if now != self._seen else set()
        for table in catalog.tables.values():
            near = any(misplaced(catalog, *found) is not None for found in engine.users.partitions_in_memory(table))
            if near or table.table_id in far:
                yield table_wish(JobType.MOVE_FILES, table)
        self._seen = now
