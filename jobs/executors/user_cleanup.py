"""UC- jobs remove a dropped user for good: the record, grants, and the rows in every user table.

  1. record  with the grants, in one edit: from here on nobody can bring the user back, and every token is void
  2. wait    until no transaction is open that began before: it could still bring rows
  3. rows    one user table after the other, with their files
  4. owner   the number under which the rows were: while it is there without a record, the job is not done
A user whose record went by another way (the name was needed again, or the server started) is found by the last one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from jobs.executor import Step
from jobs.executors.cleanup import STORAGE_WAIT_SECONDS
from jobs.ledger import JobType
from jobs.outcome import Completed, Continue, Figures, Outcome, Skipped
from jobs.planner import JobRequest
from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.schema import TableKind
from storage.engine import Engine
from storage.errors import StorageUnavailable
from storage.rowstore.owners import OwnerKey
from storage.state.edits import Edit

WAIT_SECONDS: Final = 0.5
TABLES_A_STEP: Final = 16
_USER: Final = "user"
_CREATED_MS: Final = "created_ms"


class UserCleanupExecutor:
    """Some tables a step."""

    def __init__(self, engine: Engine, grace_ms: int) -> None:
        """grace_ms: for which a dropped user can be brought back"""
        self._engine = engine
        self._grace_ms = grace_ms
        self._gone_seq: dict[str, int] = {}  # job -> a commit after which the user can't have begun anything

    def __call__(self, step: Step) -> Outcome:
        """Never fails for a storage that can't be reached: what is left is found again."""
        try:
            return self._step(step)
        except StorageUnavailable as error:
            return Continue(after_seconds=STORAGE_WAIT_SECONDS, message=f"waits: {error.message}")

    def _step(self, step: Step) -> Outcome:
        engine, key = self._engine, _key(step.record.parameters)
        if not self._remove_record(key):
            return Skipped(f"user '{key.name}' is there again")
        gone_seq = self._gone_seq.setdefault(step.record.job_id, engine.state.last_seq)
        oldest_seq = engine.snapshots.oldest_seq()
        if oldest_seq is not None and oldest_seq < gone_seq:
            return Continue(after_seconds=WAIT_SECONDS, message="waits for the end of what began before")
        moved, tables = self._purge(key)
        if tables == TABLES_A_STEP:
            return Continue(moved)
        engine.obsolete_files.remove_unused()
        engine.owners.forget(key)
        self._gone_seq.pop(step.record.job_id, None)
        whole = step.record.figures + moved
        return Completed(f"user '{key.name}' is gone for good, with {whole.rows} rows in user tables", moved)

    def _remove_record(self, key: OwnerKey) -> bool:
        """Whether there is none of this user now."""
        now, grace_ms = self._engine.time.settled(), self._grace_ms

        def without(catalog: Catalog) -> Catalog:
            user = catalog.users.get(key.name)
            if user is None or user.created_ms != key.created_ms:
                return catalog
            is_gone = user.is_gone(now.ageing(user.dropped_ms), grace_ms)
            return catalog.without_user(key.name) if is_gone else catalog

        if without(self._engine.state.catalog) is not self._engine.state.catalog:
            event = AuditRecord(user="", action="USER CLEANUP", object=key.name)
            self._engine.commit(Edit(catalog=without, audit=(event,)))
        left = self._engine.state.catalog.users.get(key.name)
        return left is None or left.created_ms != key.created_ms

    def _purge(self, key: OwnerKey) -> tuple[Figures, int]:
        """(what went, from how many tables)."""
        owner = self._engine.owners.find(key)
        moved, tables = Figures(), 0
        for table in self._engine.state.catalog.tables.values():
            if owner is None or table.kind is not TableKind.USER or tables == TABLES_A_STEP:
                continue
            gone = self._engine.users.purge(table, owner.number)
            if gone is not None:
                moved += Figures(gone.rows, sum(file.bytes for file in gone.cold), len(gone.cold))
                tables += 1
        return moved, tables


def due_user_cleanups(engine: Engine, grace_ms: int) -> Iterator[JobRequest]:
    """Dropped users whose days are over, and owners of rows that no user record is of."""
    owners = [key for key, _ in engine.owners.every()]  # before the users: one who comes meanwhile is in both
    users, now = engine.state.catalog.users, engine.time.settled()
    for user in users.values():
        if user.is_gone(now.ageing(user.dropped_ms), grace_ms):
            yield _wish(OwnerKey(user.name, user.created_ms))
    there = {OwnerKey(user.name, user.created_ms) for user in users.values()}
    yield from (_wish(key) for key in owners if key.created_ms and key not in there)


def _wish(key: OwnerKey) -> JobRequest:
    parameters = {_USER: key.name, _CREATED_MS: str(key.created_ms)}
    return JobRequest(JobType.USER_CLEANUP, f"user '{key.name}'", parameters=parameters)


def _key(parameters: Mapping[str, str]) -> OwnerKey:
    return OwnerKey(parameters[_USER], int(parameters[_CREATED_MS]))
