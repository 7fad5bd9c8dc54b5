"""`parse_statement` reads one statement into a value: its first word decides which parser reads it.

Promises: whatever is read is read to its last token, and nothing is read and forgotten.
Leaves:   expressions and queries to the engine, as slices of the text (comments blanked, time travel and
          FETCH rewritten).
Raises:   InvalidRequest (42601, with the position) for what no statement looks like; NotSupported, naming the
          statement, for what is SQL and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flight_server.parser.dialect.fetch_clause import with_limits
from flight_server.parser.grammar.alter import parse_alter, parse_comment
from flight_server.parser.grammar.changes import parse_delete, parse_insert, parse_truncate, parse_update
from flight_server.parser.grammar.definitions import parse_create, parse_drop
from flight_server.parser.grammar.jobs import (
    parse_backup,
    parse_compact,
    parse_evict,
    parse_flush,
    parse_kill,
    parse_restore,
    parse_scrub,
    parse_wait,
)
from flight_server.parser.grammar.live import parse_subscribe
from flight_server.parser.grammar.merge import parse_merge
from flight_server.parser.grammar.queries import parse_call, parse_explain, parse_query, parse_with
from flight_server.parser.grammar.session import (
    parse_begin,
    parse_commit,
    parse_release,
    parse_reset,
    parse_rollback,
    parse_savepoint,
    parse_set,
    parse_start,
    parse_use,
)
from flight_server.parser.grammar.show import parse_describe, parse_show
from flight_server.parser.grammar.storages import parse_check
from flight_server.parser.grammar.users import parse_execute, parse_grant, parse_revoke, parse_undrop
from flight_server.parser.guard.ignored_clauses import refuse_ignored
from flight_server.parser.guard.ignored_in_calls import refuse_ignored_in_calls
from flight_server.parser.guard.wrong_answers import refuse_wrong_answers
from flight_server.parser.guard.wrong_answers_in_lists import refuse_disjoint_lists
from flight_server.parser.statements.statement import Statement
from flight_server.parser.text.cursor import Cursor, not_supported
from flight_server.parser.text.lexer import TokenKind, syntax_error
from flight_server.parser.text.sql_text import SqlText
from flight_server.parser.text.time_travel import with_version_names
from storage.catalog.names import RESERVED_PREFIX, is_reserved, reserved_error

NO_STATEMENT: Final = "no SQL statement in the text"


def parse_statement(text: SqlText) -> Statement:
    """Read one statement; a `;` may end it. Raises InvalidRequest, NotSupported."""
    _refuse_made_names(text)
    text = with_limits(with_version_names(text.without_comments())).without_end()
    if not text.tokens:
        raise syntax_error(0, NO_STATEMENT)
    refuse_ignored(text.tokens)
    refuse_ignored_in_calls(text.tokens)
    refuse_wrong_answers(text.tokens)
    refuse_disjoint_lists(text.tokens)
    cursor = Cursor(text)
    statement = _parser_of(cursor)(cursor)
    cursor.expect_end()
    return statement


def _refuse_made_names(text: SqlText) -> None:
    """Nobody writes a name that could be one of the server's. Raises InvalidRequest."""
    if RESERVED_PREFIX not in text.sql.lower():
        return
    for token in text.tokens:
        if token.kind in (TokenKind.WORD, TokenKind.QUOTED) and is_reserved(token.value):
            raise reserved_error(token.value)


def _parser_of(cursor: Cursor) -> Callable[[Cursor], Statement]:
    first = cursor.token
    parser = _PARSERS.get(first.key)
    if parser is not None:
        return parser
    if first.key in _REFUSED:
        raise not_supported(first.key, _REFUSED[first.key])
    raise cursor.error("expected the first word of a statement, such as SELECT, INSERT or CREATE")


_PARSERS: Final[dict[str, Callable[[Cursor], Statement]]] = {
    "SELECT": parse_query,
    "VALUES": parse_query,
    "TABLE": parse_query,
    "CALL": parse_call,
    "(": parse_query,
    "WITH": parse_with,
    "EXPLAIN": parse_explain,
    "INSERT": parse_insert,
    "UPDATE": parse_update,
    "DELETE": parse_delete,
    "MERGE": parse_merge,
    "TRUNCATE": parse_truncate,
    "CREATE": parse_create,
    "DROP": parse_drop,
    "ALTER": parse_alter,
    "COMMENT": parse_comment,
    "SHOW": parse_show,
    "DESCRIBE": parse_describe,
    "DESC": parse_describe,
    "USE": parse_use,
    "SET": parse_set,
    "RESET": parse_reset,
    "BEGIN": parse_begin,
    "START": parse_start,
    "COMMIT": parse_commit,
    "END": parse_commit,
    "ROLLBACK": parse_rollback,
    "ABORT": parse_rollback,
    "SAVEPOINT": parse_savepoint,
    "RELEASE": parse_release,
    "FLUSH": parse_flush,
    "COMPACT": parse_compact,
    "EVICT": parse_evict,
    "SCRUB": parse_scrub,
    "BACKUP": parse_backup,
    "RESTORE": parse_restore,
    "KILL": parse_kill,
    "WAIT": parse_wait,
    "SUBSCRIBE": parse_subscribe,
    "GRANT": parse_grant,
    "REVOKE": parse_revoke,
    "UNDROP": parse_undrop,
    "EXECUTE": parse_execute,
    "CHECK": parse_check,
}
_NOT_YET: Final = "it is not part of this version"
_PREPARE: Final = "prepare statements through the client's driver"
_REFUSED: Final = {
    "ANALYZE": "statistics are kept by themselves",
    "ATTACH": "all tables live in the one catalog",
    "CHECKPOINT": "use FLUSH ALL",
    "COPY": "load rows with a bulk ingest and read them with a query",
    "DEALLOCATE": _PREPARE,
    "DECLARE": "fetch results through the client's driver",
    "DETACH": "all tables live in the one catalog",
    "DO": "there are no procedures",
    "EXPORT": "read rows with a query",
    "FETCH": "fetch results through the client's driver",
    "IMPORT": "load rows with a bulk ingest",
    "INSTALL": "there are no extensions",
    "LISTEN": _NOT_YET,
    "LOAD": "load rows with a bulk ingest",
    "LOCK": "readers and writers never wait for each other; conflicts are found at commit",
    "NOTIFY": _NOT_YET,
    "OPTIMIZE": "use COMPACT TABLE",
    "PRAGMA": "use SET and SHOW",
    "PREPARE": _PREPARE,
    "REFRESH": "there are no materialized views",
    "REINDEX": "there are no indexes but the primary key",
    "REPLACE": "use INSERT .. ON CONFLICT DO UPDATE",
    "SUMMARIZE": "use DESCRIBE or SHOW STATS FOR TABLE",
    "UPSERT": "use INSERT .. ON CONFLICT DO UPDATE",
    "VACUUM": "use COMPACT TABLE",
}
