"""Reads SELECT, VALUES, TABLE, WITH and EXPLAIN: found to be a query, then left to the engine."""

from __future__ import annotations

from flight_server.parser.dialect.session_words import CALLED
from flight_server.parser.grammar.changes import parse_insert
from flight_server.parser.statements.changes import Insert
from flight_server.parser.statements.statement import Query
from flight_server.parser.text.cursor import Cursor, not_supported

_QUERY_STARTS = ("SELECT", "VALUES", "TABLE", "WITH", "(")
_CHANGES = ("UPDATE", "DELETE", "MERGE")


def parse_query(cursor: Cursor) -> Query:
    """The whole statement, `TABLE t` written out (the engine does not know it)."""
    return Query(cursor.query("a query"))


def parse_call(cursor: Cursor) -> Query:
    """`CALL word`, as some tools ask for the current schema; there are no procedures."""
    cursor.expect("CALL")
    if cursor.token.key not in CALLED or cursor.peek(1).value not in ("", "("):
        raise not_supported("CALL", "there are no procedures")
    return Query(f"SELECT {cursor.slice('a word', lambda: False)}")


def parse_with(cursor: Cursor) -> Query | Insert:
    """`WITH .. SELECT`, or `WITH .. INSERT INTO t SELECT ..`, whose common tables become part of its query."""
    start = cursor.at
    common_tables = _common_tables(cursor)
    if cursor.sees("INSERT"):
        return parse_insert(cursor, common_tables)
    if cursor.sees_any(_CHANGES):
        raise not_supported(f"WITH before {cursor.token.key}", "put the query into a subquery of the statement")
    if cursor.ended or cursor.sees("TABLE"):
        return Query(f"{common_tables} {cursor.query('a query')}")
    cursor.at = start
    return Query(cursor.query("a query"))


def _common_tables(cursor: Cursor) -> str:
    """The text `WITH a AS (..), b AS (..)`; a bracket that neither a comma nor AS follows is the last one."""
    first = cursor.at
    return cursor.slice("common tables", lambda: cursor.at > first and _is_behind_common_tables(cursor))


def _is_behind_common_tables(cursor: Cursor) -> bool:
    return cursor.tokens[cursor.at - 1].key == ")" and not cursor.sees_any((",", "AS"))


def parse_explain(cursor: Cursor) -> Query:
    """`EXPLAIN [ANALYZE] [VERBOSE] [FORMAT f] query` and `EXPLAIN (options) query`."""
    head = _explain_head(cursor)
    at = cursor.at
    if cursor.sees("WITH"):
        _common_tables(cursor)
    if not cursor.ended and not cursor.sees_any(_QUERY_STARTS):
        raise not_supported(f"EXPLAIN of {cursor.token.key or cursor.token.value}", "only queries can be explained")
    cursor.at = at
    return Query(f"{head} {cursor.query('a query to explain')}")


def _explain_head(cursor: Cursor) -> str:
    start = cursor.token.start
    cursor.expect("EXPLAIN")
    if cursor.sees("(") and cursor.peek(1).key not in _QUERY_STARTS:
        cursor.bracketed(lambda: cursor.expression("an option"))
    while (option := cursor.accept_any("ANALYZE", "VERBOSE", "FORMAT")) is not None:
        if option == "FORMAT":
            cursor.name("format")
    return cursor.text[start : cursor.tokens[cursor.at - 1].end]
