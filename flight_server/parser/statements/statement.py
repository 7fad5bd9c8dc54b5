"""Statements as values: what the parser makes of a text, and what the executors take.

Expressions and queries stay slices of the user's own text (`..._sql`), so that the engine reads exactly what
was written. Names are checked already; a `TableRef` without namespace means the session's.
"""

from __future__ import annotations

from dataclasses import dataclass

from flight_server.parser.statements.changes import DataChange
from flight_server.parser.statements.definitions import Definition
from flight_server.parser.statements.jobs import JobStatement
from flight_server.parser.statements.live import KillLiveQuery, Subscribe
from flight_server.parser.statements.session import Describe, DescribeQuery, KillQuery, SessionStatement, Show
from flight_server.parser.statements.storages import CheckStorage, StorageStatement
from flight_server.parser.statements.users import ExecuteAs, UserStatement


@dataclass(frozen=True, slots=True)
class Query:
    """SELECT, WITH, VALUES, TABLE or EXPLAIN: handed to the engine as it is (time travel already rewritten)."""

    sql: str


LiveStatement = Subscribe | KillLiveQuery
Answered = Show | Describe | DescribeQuery | CheckStorage | JobStatement
"""Statements that answer with a small table."""
Statement = (
    Query
    | DataChange
    | Definition
    | Answered
    | SessionStatement
    | KillQuery
    | LiveStatement
    | UserStatement
    | ExecuteAs
    | StorageStatement
)
