"""System tables of what goes on: jobs, statements, sessions, transactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from flight_server.sql.live.subscription import NOTHING_YET
from flight_server.sql.scopes.session_transactions import SessionTransaction
from flight_server.sql.system.sources import BIG, BOOL, INT, MS, TEXT, Sources, SystemTable, columns, may_know
from storage.state.state import DatabaseState


def _jobs(sources: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    names = {str(name) for name in state.catalog.tables}
    for job in sources.jobs.rows():
        action = Action.BACKUP if job.job_type == "backup" else Action.SEE_OTHERS
        if job.target not in names and not who.may_do(action):
            continue
        yield (
            *(job.job_id, job.job_type, job.status, job.target, list(dict(job.parameters).items()), job.message),
            *(job.progress, job.rows, job.bytes, job.files, job.reason, job.oldest_ms, job.newest_ms),
            *(job.attempts, job.priority, job.created_ms, job.started_ms, job.finished_ms, job.error, job.trigger),
        )


def _queries(sources: Sources, _: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for query in sources.statements:
        if may_know(who, query.user):
            yield (
                *(query.query_id, query.user, query.text, str(query.state), query.rows, query.bytes),
                *(query.elapsed_ms, query.started_ms),
            )


def _live_queries(sources: Sources, _: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for live in sources.live:
        if may_know(who, live.reader.user):
            name = live.selection.table.name
            last_seq = None if live.last_seq == NOTHING_YET else live.last_seq
            yield (
                *(live.live_id, live.reader.user, name.namespace, name.table, live.reader.text, str(live.state)),
                *(live.rows, last_seq, live.waiting_bytes, live.started_ms),
            )


def _sessions(sources: Sources, _: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for session in sources.sessions:
        if may_know(who, session.principal.name):
            in_transaction = len(session.transactions) > 0
            yield (
                *(session.id[:8], session.principal.name, session.namespace, session.time_zone, session.durability),
                *(in_transaction, len(session.prepared), session.started_ms),
            )


def _transactions(sources: Sources, _: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for session in sources.sessions:
        for opened in session.transactions if may_know(who, session.principal.name) else ():
            if isinstance(opened, SessionTransaction):
                begun, idle_ms = opened.begun, int(opened.idle_seconds * 1000)
                yield (
                    *(opened.id.hex()[:8], session.id[:8], session.principal.name, opened.started_ms, idle_ms),
                    None if begun is None else begun.snapshot_seq,
                    *((0, 0) if begun is None else (begun.tables_changed, begun.definitions)),
                    len(opened.savepoints),
                )


TABLES = (
    SystemTable(
        "jobs",
        columns(
            job_id=TEXT,
            job_type=TEXT,
            status=TEXT,
            target=TEXT,
            parameters=pa.map_(TEXT, TEXT),
            message=TEXT,
            progress=pa.float64(),
            rows=BIG,
            bytes=BIG,
            files=BIG,
            reason=TEXT,
            oldest=MS,
            newest=MS,
            attempts=INT,
            priority=INT,
            created=MS,
            started=MS,
            finished=MS,
            error=TEXT,
            trigger=TEXT,
        ),
        _jobs,
    ),
    SystemTable(
        "queries",
        columns(
            query_id=TEXT,
            user=TEXT,
            text=TEXT,
            state=TEXT,
            rows=BIG,
            bytes=BIG,
            elapsed_ms=BIG,
            started=MS,
        ),
        _queries,
    ),
    SystemTable(
        "live_queries",
        columns(
            live_id=TEXT,
            user=TEXT,
            namespace=TEXT,
            table=TEXT,
            text=TEXT,
            state=TEXT,
            rows=BIG,
            last_seq=BIG,
            waiting_bytes=BIG,
            started=MS,
        ),
        _live_queries,
    ),
    SystemTable(
        "sessions",
        columns(
            session=TEXT,
            user=TEXT,
            namespace=TEXT,
            time_zone=TEXT,
            durability=TEXT,
            in_transaction=BOOL,
            prepared_statements=BIG,
            started=MS,
        ),
        _sessions,
    ),
    SystemTable(
        "transactions",
        columns(
            transaction=TEXT,
            session=TEXT,
            user=TEXT,
            started=MS,
            idle_ms=BIG,
            snapshot_seq=BIG,
            tables_changed=BIG,
            definitions_changed=BIG,
            savepoints=BIG,
        ),
        _transactions,
    ),
)
