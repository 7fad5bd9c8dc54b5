"""FLUSH, COMPACT, KILL JOB, WAIT FOR JOB: each answers with the jobs it is about."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from flight_server.job_port import JobRow
from flight_server.sql.call import Call
from flight_server.sql.statements import CompactTable, FlushTable, KillJob, WaitForJob

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


def job_statement(call: Call, statement: FlushTable | CompactTable | KillJob | WaitForJob) -> pa.Table:
    """Raises NotFound, NotSupported, Cancelled."""
    jobs = call.services.jobs
    match statement:
        case FlushTable(table, namespace):
            return _table(jobs.submit_flush(None if table is None else call.table(table).name, namespace))
        case CompactTable(table):
            return _table([jobs.submit_compact(call.table(table).name)])
        case KillJob(job_id):
            return _table([jobs.kill(job_id)])
        case WaitForJob(job_id):
            return _table([jobs.wait_for(job_id, call.cancelled)])


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
