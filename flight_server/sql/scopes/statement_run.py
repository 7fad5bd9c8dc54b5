"""StatementRun is one statement that runs; StatementKind is all that the server does for statements of one kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flight_server.access.sessions.session import Session
from flight_server.parser.statements.statement import Statement
from flight_server.sql.context.running_statements import RunningStatement, RunningStatements
from flight_server.sql.context.statement_context import Params, Services, StatementContext
from flight_server.sql.interface.request import Request
from flight_server.sql.interface.statement_result import StatementResult
from flight_server.sql.interface.statement_shape import StatementShape
from flight_server.sql.live.live_queries import LiveQueries
from flight_server.sql.scopes.transaction_scopes import TransactionScopes


@dataclass(frozen=True, slots=True)
class Execution:
    """What statements of all kinds run with."""

    services: Services
    scopes: TransactionScopes
    statements: RunningStatements
    live: LiveQueries


@dataclass(frozen=True, slots=True)
class BoundStatement:
    """A statement that was read, of its kind, with the text that it was read from and its values, if it has any."""

    kind: StatementKind
    statement: Statement
    text: str
    params: Params | None

    def allowed(self, context: StatementContext) -> StatementContext:
        """The context, with text and values, if the caller may run the statement. Raises PermissionDenied, NotFound."""
        self.kind.check(context, self.statement)
        return replace(context, text=self.text, params=self.params)


@dataclass(frozen=True, slots=True)
class StatementRun:
    """A bound statement of a request, listed among those that run."""

    request: Request
    bound: BoundStatement
    running: RunningStatement

    @property
    def session(self) -> Session:
        return self.request.session

    @property
    def statement(self) -> Any:
        """Of the kind's own type."""
        return self.bound.statement


@dataclass(frozen=True, slots=True)
class StatementKind:
    """One row of the table of statements.

    check:      raises PermissionDenied, or NotFound, when the caller may not run it
    run:        runs it, in the scope that it needs
    describe:   what it would do; the last argument is how many placeholders the text has
    gives_rows: whether it answers with rows, whatever its clauses say
    is_lent:    whether EXECUTE AS takes it
    """

    check: Callable[[StatementContext, Any], None]
    run: Callable[[Execution, StatementRun], StatementResult]
    describe: Callable[[StatementContext, Any, int], StatementShape]
    gives_rows: bool = False
    is_lent: bool = False
