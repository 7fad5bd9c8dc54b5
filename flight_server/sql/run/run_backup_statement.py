"""Runs BACKUP, RESTORE and SHOW BACKUP: allowed targets are checked here, a job does the work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from flight_server.parser.statements.backups import BackupDatabase, RestoreDatabase
from flight_server.sql.context.job_service import JobRow
from flight_server.sql.context.statement_context import StatementContext
from storage.backup.allowed_targets import allowed_target
from storage.backup.record import BackupRecord
from storage.backup.restore import check_empty
from storage.backup.target import BackupTarget, chosen, listed
from storage.errors import InvalidRequest

BACKUP_SCHEMA: Final = pa.schema(
    [
        ("backup_id", pa.string()),
        ("taken", pa.timestamp("ms", tz="UTC")),
        ("last_seq", pa.int64()),
        ("tables", pa.int64()),
        ("cold_rows", pa.int64()),
        ("files", pa.int64()),
        ("bytes", pa.int64()),
        ("new_files", pa.int64()),
        ("new_bytes", pa.int64()),
        ("server", pa.string()),
        ("error", pa.string()),
    ]
)


def submit_backup(context: StatementContext, statement: BackupDatabase) -> JobRow:
    """Raises PermissionDenied, InvalidRequest (the place)."""
    target_of(context, statement.uri)
    return context.services.jobs.submit("backup", statement.uri, {"uri": statement.uri})


def submit_restore(context: StatementContext, statement: RestoreDatabase) -> JobRow:
    """Raises PermissionDenied, InvalidRequest (the place; the database is not empty), NotFound, Corruption."""
    engine = context.services.engine
    if engine.checkpoints.restart_wanted:
        raise InvalidRequest(f"{engine.checkpoints.restart_wanted}; restart it first", sqlstate="55006")
    check_empty(engine.state)
    record = chosen(target_of(context, statement.uri), statement.backup_id)
    parameters = {"uri": statement.uri, "backup_id": record.backup_id}
    return context.services.jobs.submit("restore", statement.uri, parameters)


def show_backups(context: StatementContext, uri: str) -> pa.Table:
    """One row a backup, oldest first; one that can't be read says why in `error`."""
    rows = [dict(zip(BACKUP_SCHEMA.names, values, strict=True)) for values in _described(target_of(context, uri))]
    return pa.Table.from_pylist(rows, schema=BACKUP_SCHEMA)


def target_of(context: StatementContext, uri: str) -> BackupTarget:
    """Raises PermissionDenied, InvalidRequest."""
    return allowed_target(context.services.engine, uri)


def _described(target: BackupTarget) -> Iterator[tuple[Any, ...]]:
    for found in listed(target):
        if not isinstance(found, BackupRecord):
            yield (*[None] * (len(BACKUP_SCHEMA) - 1), found.message)
            continue
        yield (
            *(found.backup_id, found.taken_ms, found.last_seq, found.tables, found.cold_rows),
            *(len(found.files), found.bytes, found.files_written, found.bytes_written, found.server, None),
        )
