"""Dropped users whose days are over: nothing of theirs is left, and nobody else loses a row."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio

from jobs.executor import Step
from jobs.executors.user_cleanup import UserCleanupExecutor, due_user_cleanups
from jobs.ledger import JobRecord, JobType, Trigger
from jobs.outcome import Completed, Continue, Outcome, Skipped
from jobs.states import JobState
from storage.catalog.catalog import Catalog
from storage.catalog.names import table_name
from storage.catalog.partition_ids import is_owned, owner_of_partition
from storage.catalog.schema import TableDef
from storage.catalog.users import Grant, GrantName, Privilege, UserRecord
from storage.clock import ManualClock
from storage.engine import Engine
from storage.rowstore.keys import HOT, MANIFEST, OWNERS, PK, partition_of
from storage.rowstore.owners import OwnerKey
from storage.state.edits import Edit
from tests.jobs.with_engine import GRACE_MS, jobs_over
from tests.storage.own_rows import user_table
from tests.support.storage_builders import files_on_disk, flush, insert, opened, read

GRACE_SECONDS = GRACE_MS / 1000


def define(engine: Engine, change: Callable[[Catalog], Catalog]) -> None:
    engine.commit(Edit(catalog=change))


def created(engine: Engine, name: str) -> OwnerKey:
    record = UserRecord(name=name, role="user", password_hash="", created_ms=engine.clock.wall_ms())
    define(engine, lambda catalog: catalog.with_user(record))
    return OwnerKey(name, record.created_ms)


def dropped(engine: Engine, name: str) -> None:
    record = msgspec.structs.replace(engine.state.catalog.users[name], dropped_ms=engine.clock.wall_ms())
    define(engine, lambda catalog: catalog.with_user(record))


def own(engine: Engine, table: TableDef, key: OwnerKey) -> TableDef:
    return engine.state.catalog.table_by_id(table).owned_by(engine.users.owner(key))


def with_rows(engine: Engine, table: TableDef, *keys: OwnerKey) -> None:
    """Two cold rows and a hot one for each."""
    for key in keys:
        owned = own(engine, table, key)
        insert(engine, owned, (1, key.name), (2, key.name))
        flush(engine, owned)
        insert(engine, owned, (3, key.name))


class House:
    """Two user tables with rows of ann and ben; a shared table with a grant for each."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ann, self.ben = created(engine, "ann"), created(engine, "ben")
        self.tables = [user_table(engine, name, key=("k",)) for name in ("notes", "marks")]
        for table in self.tables:
            with_rows(engine, table, self.ann, self.ben)
        for user in ("ann", "ben"):
            grant = Grant(name=GrantName(user, table_name("public", "notes")), privileges=(Privilege.SELECT,))
            define(engine, partial(Catalog.with_grant, grant=grant))
        self.number = engine.users.owner(self.ann).number

    def check_only_ben_is_left(self) -> None:
        engine, number = self.engine, self.number
        assert set(engine.state.catalog.users) - {"root"} == {"ben"}
        assert {grant.user for grant in engine.state.catalog.grants} == {"ben"}
        for table in self.tables:
            assert [row["v"] for row in read(engine, own(engine, table, self.ben))] == ["ben"] * 3
            assert number not in engine.users.owner_numbers(table)
        for family in (HOT, MANIFEST, PK):
            found = {partition_of(key) for key, _ in engine.row_store.scan(family)}
            assert number not in {owner_of_partition(id_) for id_ in found if is_owned(id_)}, family
        assert len(files_on_disk(engine)) == 2
        assert not [path for path in files_on_disk(engine) if "ann" in path]
        assert [key for key, _ in engine.owners.every()] == [self.ben]
        assert len(list(engine.row_store.scan(OWNERS))) == 2


@pytest.fixture
def house(engine: Engine) -> House:
    return House(engine)


def run_due(engine: Engine) -> list[JobRecord]:
    records: list[JobRecord] = []

    async def main() -> None:
        async with jobs_over(engine) as (manager, schedule):
            ids = [await schedule.submit(wish) for wish in due_user_cleanups(engine, GRACE_MS)]
            records.extend([await manager.wait(job_id) for job_id in ids if job_id is not None])

    trio.run(main)
    return records


def test_nothing_goes_before_the_days_are_over_and_everything_of_the_user_after_them(house: House, clock: ManualClock):
    engine = house.engine
    dropped(engine, "ann")
    clock.advance(GRACE_SECONDS - 1)
    assert list(due_user_cleanups(engine, GRACE_MS)) == []
    clock.advance(1)
    [record] = run_due(engine)
    assert (record.status, record.rows, record.files) == (JobState.COMPLETED, 6, 2)
    assert record.job_id.startswith("UC-")
    assert record.message == "user 'ann' is gone for good, with 6 rows in user tables"
    house.check_only_ben_is_left()
    assert "USER CLEANUP" in {event.action for event in engine.audit_log.records()}
    assert run_due(engine) == []


def test_rows_of_a_user_whose_record_went_first_are_found_after_a_restart_too(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path / "d", clock) as engine:
        house = House(engine)
        define(engine, lambda catalog: catalog.without_user("ann"))
        clock.advance(10)
        again = created(engine, "ann")
    with opened(tmp_path / "d", clock) as engine:
        house.engine = engine
        with_rows(engine, house.tables[0], again)
        [record] = run_due(engine)
        assert (record.status, record.rows) == (JobState.COMPLETED, 6)
        owned = own(engine, house.tables[0], again)
        assert [row["v"] for row in read(engine, owned)] == ["ann"] * 3, "a new user of that name keeps what is theirs"
        assert run_due(engine) == []


def step_for(key: OwnerKey) -> Step:
    record = JobRecord(
        job_id="UC-1",
        job_type=JobType.USER_CLEANUP,
        target=f"user '{key.name}'",
        trigger=Trigger.SCHEDULE,
        priority=1,
        created_ms=0,
        parameters={"user": key.name, "created_ms": str(key.created_ms)},
    )
    return Step(record, 0, lambda: False, lambda _: None)


def test_rows_go_only_when_nothing_that_began_before_can_bring_more(house: House, clock: ManualClock):
    engine, executor = house.engine, UserCleanupExecutor(house.engine, GRACE_MS)
    dropped(engine, "ann")
    clock.advance(GRACE_SECONDS)
    late = engine.begin()
    outcome: Outcome = executor(step_for(house.ann))
    assert isinstance(outcome, Continue)
    assert outcome.after_seconds > 0
    assert "ann" not in engine.state.catalog.users
    late.rollback()
    assert isinstance(executor(step_for(house.ann)), Completed)
    house.check_only_ben_is_left()


def test_a_user_who_is_there_loses_nothing(house: House, clock: ManualClock):
    engine, executor = house.engine, UserCleanupExecutor(house.engine, GRACE_MS)
    clock.advance(GRACE_SECONDS)
    assert isinstance(executor(step_for(house.ann)), Skipped)
    dropped(engine, "ann")
    assert isinstance(executor(step_for(house.ann)), Skipped)
    assert [row["v"] for row in read(engine, own(engine, house.tables[0], house.ann))] == ["ann"] * 3
