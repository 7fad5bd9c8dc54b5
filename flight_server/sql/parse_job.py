"""FLUSH, COMPACT, SCRUB, KILL and WAIT: statements that ask for jobs or end them."""

from __future__ import annotations

from flight_server.sql.cursor import Cursor, not_supported
from flight_server.sql.live_statements import KillLiveQuery
from flight_server.sql.statements import CompactTable, EvictTable, FlushTable, KillJob, KillQuery, Scrub, WaitForJob


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
