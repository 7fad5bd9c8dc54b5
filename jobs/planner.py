"""Planner says which jobs are due; the schedule asks it at its pace and submits them. It moves no rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from jobs.ledger import JobType, Trigger
from jobs.targets import DATABASE, table_parameters
from storage.catalog.schema import TableDef


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that is due. Wishing for one that is already live changes nothing."""

    job_type: JobType
    target: str = DATABASE
    trigger: Trigger = Trigger.SCHEDULE
    parameters: Mapping[str, str] = field(default_factory=dict)


def table_wish(job_type: JobType, table: TableDef, trigger: Trigger = Trigger.SCHEDULE) -> JobRequest:
    """A job on one table, which its executor finds by `targets.table_of`."""
    return JobRequest(job_type, str(table.name), trigger, table_parameters(table))


@dataclass(frozen=True, slots=True)
class Planner:
    """One loop of the schedule.

    look:          what is due now; called on a worker thread, one call at a time. What it raises is logged
    pause_seconds: until the next look; asked after each one, so the pace may follow what was seen
    at_start:      whether to look before the first pause
    on_definitions: whether a change of the catalog ends a pause
    """

    name: str
    look: Callable[[], Iterable[JobRequest]]
    pause_seconds: Callable[[], float]
    at_start: bool = False
    on_definitions: bool = False
