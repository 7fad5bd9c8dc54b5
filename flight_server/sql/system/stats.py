"""Figures of the server, for `system.stats` and the metrics page alike: counts since its start, and values of now.

Never one for each user, text or table: there would be too many, and they would tell who does what. What is counted is
declared where it happens (`storage.counters`); what is looked up is below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flight_server.sql.system.sources import Sources
from storage.state.state import DatabaseState


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    labels:  what it is told apart by from others of its name
    is_rising: it only rises, from 0 at the start
    """

    name: str
    means: str
    value: int
    labels: Mapping[str, str] = field(default_factory=dict)
    is_rising: bool = False

    @property
    def full_name(self) -> str:
        """With its labels, as `name{label="value"}`."""
        labels = ",".join(f'{label}="{value}"' for label, value in self.labels.items())
        return f"{self.name}{{{labels}}}" if labels else self.name


def figures_of(sources: Sources, state: DatabaseState) -> Iterator[Figure]:
    yield from _storage(sources, state)
    yield from _partitions(state)
    yield from _front(sources)
    yield from _results(sources)
    yield from _live(sources)
    yield from _jobs(sources)
    for count, numbers in sources.engine.counters.now().items():
        for value, number in numbers.items():
            labels = {count.label: value} if count.label else {}
            yield Figure(count.name, count.means, number, labels, is_rising=True)


def _storage(sources: Sources, state: DatabaseState) -> Iterator[Figure]:
    engine = sources.engine
    yield Figure("storage_well", "1 while the disk takes writes, 0 while it refuses them", int(engine.health == "ok"))
    limits = engine.settings
    yield Figure("hot_bytes_max", "Bytes of hot rows but events at which writers wait", limits.hot_bytes_max)
    yield Figure("stream_bytes", "Bytes of the events of all streams", state.stream_bytes)
    yield Figure("stream_bytes_max", "Bytes of events at which those who bring more wait", limits.stream_bytes_max)
    yield Figure("commits_waiting", "Edits that wait for the committer", engine.committer.waiting)
    yield Figure("writers_waiting", "Statements that wait for room for their rows", engine.backpressure.waiting)
    yield Figure("snapshots_open", "Moments of the database that somebody reads", engine.snapshots.count())
    yield Figure("files_retired", "Replaced files that are still read", len(engine.obsolete_files))
    yield Figure("last_seq", "The newest _seq that was given out", state.last_seq)
    for kind, tables in Counter(str(table.kind) for table in state.catalog.tables.values()).items():
        yield Figure("tables", "Tables", tables, {"kind": kind})


def _partitions(state: DatabaseState) -> Iterator[Figure]:
    """Of partitions in memory: those of users who are not there are on disk alone."""
    partitions = state.partitions.values()
    yield Figure("partitions_loaded", "Partitions in memory", len(partitions))
    yield Figure("hot_rows", "Hot row versions in memory", sum(p.hot_rows for p in partitions))
    yield Figure("hot_bytes", "Bytes of hot rows in memory", sum(p.hot_bytes for p in partitions))
    yield Figure("cold_files", "Live Parquet files", sum(len(p.cold) for p in partitions))
    yield Figure("cold_rows", "Row versions in live files", sum(f.rows for p in partitions for f in p.cold))
    yield Figure("cold_bytes", "Bytes of live files", sum(f.bytes for p in partitions for f in p.cold))
    yield Figure("deleted_versions", "Deleted row versions that are kept", sum(len(p.deletes) for p in partitions))


def _front(sources: Sources) -> Iterator[Figure]:
    sessions = list(sources.sessions)
    yield Figure("sessions", "Open sessions", len(sessions))
    yield Figure("transactions_open", "Open transactions", sum(len(s.transactions) for s in sessions))
    logins = sources.logins
    yield Figure("logins_waiting", "Log-ins that wait for their password to be checked", logins.waiting)
    yield Figure("logins_refused", "Log-ins refused since too many waited", logins.refused, is_rising=True)
    statements = sources.statements
    waiting = statements.admission.waiting + statements.apart.waiting
    yield Figure("statements_in_line", "Statements that wait for a place", waiting)
    yield Figure("statements_apart", "Statements that run in a process of their own", statements.apart.running)
    live = Counter(str(statement.state) for statement in sources.statements if statement.is_live)
    for state in ("queued", "planned", "running"):
        yield Figure("statements", "Statements under way", live[state], {"state": state})


def _results(sources: Sources) -> Iterator[Figure]:
    results = sources.results
    yield Figure("result_cache_bytes", "Bytes of results that are kept", results.bytes)
    yield Figure("result_cache_results", "Results that are kept", len(results))
    yield Figure("result_cache_hits", "Statements that were given a kept result", results.hits, is_rising=True)
    yield Figure("result_cache_misses", "Statements whose result might have been kept", results.misses, is_rising=True)


def _live(sources: Sources) -> Iterator[Figure]:
    live = sources.live
    now = list(live)
    waiting, rows = sum(one.waiting_bytes for one in now), live.figures.rows + sum(one.rows for one in now)
    yield Figure("subscribers", "Live queries that are open", len(now))
    yield Figure("subscribers_waiting_bytes", "Bytes that wait for subscribers", waiting)
    yield Figure("subscriptions_begun", "Live queries that began", live.figures.begun, is_rising=True)
    yield Figure("subscriptions_slow", "Live queries ended for reading too slowly", live.figures.slow, is_rising=True)
    yield Figure("subscription_rows", "Rows delivered to subscribers", rows, is_rising=True)


def _jobs(sources: Sources) -> Iterator[Figure]:
    live = Counter((str(job.job_type), str(job.status)) for job in sources.jobs.rows() if job.finished_ms is None)
    for (job_type, status), jobs in sorted(live.items()):
        yield Figure("jobs", "Jobs that are not finished", jobs, {"type": job_type, "status": status})
