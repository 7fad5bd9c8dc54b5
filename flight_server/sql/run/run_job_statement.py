"""Runs FLUSH, COMPACT, SCRUB, BACKUP, RESTORE, KILL JOB, WAIT FOR JOB: each answers with the jobs it is about."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flight_server.access.grants import Action
from flight_server.parser.statements.backups import BackupDatabase, RestoreDatabase, ShowBackup
from flight_server.parser.statements.jobs import (
    CompactTable,
    EvictTable,
    FlushTable,
    JobStatement,
    KillJob,
    Scrub,
    WaitForJob,
)
from flight_server.parser.statements.table_ref import TableRef
from flight_server.sql.context.audit_event import audit, event
from flight_server.sql.context.job_service import JobRow
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.run.run_backup_statement import show_backups, submit_backup, submit_restore
from storage.catalog.names import TableName
from storage.errors import InvalidRequest, NotFound

JOB_SCHEMA = pa.schema(
    [
        ("job_id", pa.string()),
        ("job_type", pa.string()),
        ("target", pa.string()),
        ("status", pa.string()),
        ("message", pa.string()),
        ("rows", pa.int64()),
    ]
)


def job_statement(context: StatementContext, statement: JobStatement) -> pa.Table:
    """Raises NotFound, NotSupported, Cancelled."""
    jobs = context.services.jobs
    match statement:
        case FlushTable(table, namespace):
            submitted = jobs.submit_flush(None if table is None else _stored(context, table), namespace)
            return _table([job for job in submitted if job.target in map(str, context.catalog.tables)])
        case CompactTable(table):
            return _table([jobs.submit_compact(_stored(context, table))])
        case EvictTable(table):
            return _table([jobs.submit_evict(_stored(context, table))])
        case Scrub(table):
            return _table([jobs.submit_scrub(None if table is None else _stored(context, table))])
        case KillJob(job_id):
            killed = jobs.kill(job_id)
            audit(context.services.engine, event(context.session, "KILL JOB", job_id[:64]))
            return _table([killed])
        case WaitForJob(job_id):
            _check_known(context, job_id)
            return _table([jobs.wait_for(job_id, context.cancelled)])
        case BackupDatabase(uri):
            submitted_backup = submit_backup(context, statement)
            audit(context.services.engine, event(context.session, "BACKUP DATABASE", uri))
            return _table([submitted_backup])
        case RestoreDatabase():
            return _table([submit_restore(context, statement)])
        case ShowBackup(uri):
            return show_backups(context, uri)


def _stored(context: StatementContext, ref: TableRef) -> TableName:
    """Raises NotFound, InvalidRequest (a temporary table)."""
    name = context.table(ref).name
    if name.is_temporary:
        raise InvalidRequest(f"temporary table '{name.table}' lives in memory only; there is nothing to do on disk")
    return name


def _check_known(context: StatementContext, job_id: str) -> None:
    """Raises NotFound for the job of a table that the caller may not know of, as for one that is not there."""
    known = {str(name) for name in context.catalog.tables}
    job = next((row for row in context.services.jobs.rows() if row.job_id == job_id), None)
    action = Action.BACKUP if job is not None and job.job_type == "backup" else Action.SEE_OTHERS
    if job is not None and job.target not in known and not context.rights.may_do(action):
        raise NotFound(f"job '{job_id}' does not exist; system.jobs lists all", sqlstate="42704")


def _table(rows: Sequence[JobRow]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "job_id": row.job_id,
                "job_type": str(row.job_type),
                "target": row.target,
                "status": str(row.status),
                "message": row.message or row.error,
                "rows": row.rows,
            }
            for row in rows
        ],
        schema=JOB_SCHEMA,
    )
