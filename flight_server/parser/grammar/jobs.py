"""Reads FLUSH, COMPACT, SCRUB, BACKUP, RESTORE, KILL and WAIT."""

from __future__ import annotations

from typing import Final

from flight_server.parser.statements.backups import BackupDatabase, RestoreDatabase, ShowBackup
from flight_server.parser.statements.jobs import CompactTable, EvictTable, FlushTable, KillJob, Scrub, WaitForJob
from flight_server.parser.statements.live import KillLiveQuery
from flight_server.parser.statements.session import KillQuery
from flight_server.parser.text.cursor import Cursor, not_supported


def parse_flush(cursor: Cursor) -> FlushTable:
    """`FLUSH TABLE t` or `FLUSH ALL [TABLES] [IN n]`"""
    cursor.expect("FLUSH")
    if cursor.expect_any("TABLE", "ALL") == "TABLE":
        return FlushTable(cursor.table())
    cursor.accept("TABLES")
    narrowed = cursor.accept_any("IN", "FROM") is not None
    return FlushTable(None, cursor.namespace() if narrowed else None)


def parse_compact(cursor: Cursor) -> CompactTable:
    """`COMPACT TABLE t`"""
    cursor.expect("COMPACT")
    if cursor.sees("ALL"):
        raise not_supported("COMPACT ALL", "use COMPACT TABLE t")
    cursor.expect("TABLE")
    return CompactTable(cursor.table())


def parse_evict(cursor: Cursor) -> EvictTable:
    """`EVICT TABLE t`"""
    cursor.expect("EVICT", "TABLE")
    return EvictTable(cursor.table())


def parse_scrub(cursor: Cursor) -> Scrub:
    """`SCRUB TABLE t` or `SCRUB ALL`"""
    cursor.expect("SCRUB")
    if cursor.expect_any("TABLE", "ALL") == "TABLE":
        return Scrub(cursor.table())
    return Scrub(None)


def parse_kill(cursor: Cursor) -> KillJob | KillQuery | KillLiveQuery:
    """`KILL JOB 'id'`, `KILL QUERY 'id'` or `KILL LIVE QUERY 'id'`"""
    cursor.expect("KILL")
    if cursor.accept("LIVE", "QUERY"):
        return KillLiveQuery(cursor.string("the live query's id"))
    if cursor.expect_any("JOB", "QUERY") == "JOB":
        return KillJob(cursor.string("the job's id"))
    return KillQuery(cursor.string("the query's id"))


def parse_wait(cursor: Cursor) -> WaitForJob:
    """`WAIT FOR JOB 'id'`"""
    cursor.expect("WAIT", "FOR", "JOB")
    return WaitForJob(cursor.string("the job's id"))


_PLACE: Final = "the place of the backups, like 'file:///backups/frostline'"


def parse_backup(cursor: Cursor) -> BackupDatabase:
    """`BACKUP DATABASE TO 'uri'`"""
    cursor.expect("BACKUP")
    if cursor.sees("TABLE"):
        raise not_supported("BACKUP TABLE", "use BACKUP DATABASE; a second one adds only what is new")
    cursor.expect("DATABASE", "TO")
    return BackupDatabase(cursor.string(_PLACE))


def parse_restore(cursor: Cursor) -> RestoreDatabase:
    """`RESTORE DATABASE FROM 'uri' [BACKUP 'id']`"""
    cursor.expect("RESTORE")
    if cursor.sees("TABLE"):
        raise not_supported("RESTORE TABLE", "restore the database into a new directory and copy the table from there")
    cursor.expect("DATABASE", "FROM")
    uri = cursor.string(_PLACE)
    return RestoreDatabase(uri, cursor.string("the backup's id") if cursor.accept("BACKUP") else None)


def parse_show_backup(cursor: Cursor) -> ShowBackup:
    """`BACKUP 'uri'`, after SHOW"""
    cursor.expect_any("BACKUP", "BACKUPS")
    return ShowBackup(cursor.string(_PLACE))
