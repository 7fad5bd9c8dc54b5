"""The table of statements: for each kind what it needs, how it runs, what it would do, and whether it may be lent.

A new kind of statement is a value in `parser/statements`, a line in `parser/grammar/statement`, and a row here. One
without a row is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from flight_server.access.grants import Action
from flight_server.parser.statements import (
    backups,
    changes,
    definitions,
    jobs,
    live,
    namespaces,
    session,
    statement,
    storages,
    users,
    views,
)
from flight_server.sql.change.run_change import run_change
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.run_definition import run_definition
from flight_server.sql.define.storages import CHECK_SCHEMA, check_storage
from flight_server.sql.describe_statement import (
    answer_of,
    change_shape,
    count,
    described_query_shape,
    query_shape,
    subscription_shape,
    table_of,
)
from flight_server.sql.permissions import Needs, by_name, check_change, is_of_lasting, is_of_other, makes_lasting
from flight_server.sql.run.in_scope import answering, changing
from flight_server.sql.run.run_backup_statement import BACKUP_SCHEMA
from flight_server.sql.run.run_job_statement import JOB_SCHEMA, job_statement
from flight_server.sql.run.run_query import run_query
from flight_server.sql.run.run_session_statement import run_session_statement
from flight_server.sql.run.run_subscribe import run_subscribe
from flight_server.sql.scopes.statement_run import StatementKind
from flight_server.sql.show.describe_query import describe_query
from flight_server.sql.show.show import describe, show

Check = Callable[[StatementContext, Any], None]
Answer = Callable[[StatementContext, Any], pa.Table]

_define = changing(run_definition)


def _looks(answer: Answer) -> StatementKind:
    return StatementKind(by_name, answering(answer), answer_of(answer), gives_rows=True, is_lent=True)


def _defines(check: Check) -> StatementKind:
    return StatementKind(check, _define, count, is_lent=True)


def _manages(action: Action) -> StatementKind:
    """Users, rights and storages."""
    return StatementKind(Needs(action), _define, count)


def _asks_job(action: Action, schema: pa.Schema = JOB_SCHEMA) -> StatementKind:
    return StatementKind(Needs(action), answering(job_statement), table_of(schema), gives_rows=True)


_QUERY: Final = StatementKind(by_name, run_query, query_shape, gives_rows=True, is_lent=True)
_CHANGE: Final = StatementKind(check_change, changing(run_change), change_shape, is_lent=True)
_SESSION: Final = StatementKind(by_name, run_session_statement, count)

KINDS: Final[Mapping[type, StatementKind]] = MappingProxyType(
    {
        statement.Query: _QUERY,
        # --- changes of rows
        changes.Insert: _CHANGE,
        changes.Update: _CHANGE,
        changes.Delete: _CHANGE,
        changes.Merge: _CHANGE,
        changes.Truncate: _CHANGE,
        # --- definitions
        definitions.CreateTable: _defines(Needs(Action.DEFINE, makes_lasting)),
        definitions.DropTable: _defines(Needs(Action.DEFINE, is_of_lasting)),
        definitions.AlterTable: _defines(Needs(Action.DEFINE, is_of_lasting)),
        definitions.CommentOn: _defines(Needs(Action.DEFINE, is_of_lasting)),
        namespaces.CreateNamespace: _defines(Needs(Action.DEFINE)),
        namespaces.AlterNamespace: _defines(Needs(Action.DEFINE)),
        namespaces.DropNamespace: _defines(Needs(Action.DEFINE)),
        views.CreateView: _defines(Needs(Action.DEFINE)),
        views.AlterView: _defines(Needs(Action.DEFINE)),
        views.DropView: _defines(Needs(Action.DEFINE)),
        # --- what there is
        session.Show: _looks(show),
        session.Describe: _looks(describe),
        session.DescribeQuery: StatementKind(
            by_name, answering(describe_query), described_query_shape, gives_rows=True, is_lent=True
        ),
        # --- the session
        session.Use: _SESSION,
        session.SetVariable: _SESSION,
        session.TransactionControl: _SESSION,
        session.KillQuery: _SESSION,
        live.KillLiveQuery: _SESSION,
        live.Subscribe: StatementKind(by_name, run_subscribe, subscription_shape, gives_rows=True, is_lent=True),
        # --- users and storages
        users.CreateUser: _manages(Action.MANAGE_USERS),
        users.AlterUser: StatementKind(Needs(Action.MANAGE_USERS, is_of_other), _define, count),
        users.DropUser: _manages(Action.MANAGE_USERS),
        users.UndropUser: _manages(Action.MANAGE_USERS),
        users.GrantRights: _manages(Action.MANAGE_USERS),
        storages.CreateStorage: _manages(Action.MANAGE_STORAGES),
        storages.AlterStorage: _manages(Action.MANAGE_STORAGES),
        storages.DropStorage: _manages(Action.MANAGE_STORAGES),
        storages.CheckStorage: StatementKind(
            Needs(Action.MANAGE_STORAGES), answering(check_storage), table_of(CHECK_SCHEMA), gives_rows=True
        ),
        # --- jobs and backups
        jobs.FlushTable: _asks_job(Action.FLUSH),
        jobs.WaitForJob: _asks_job(Action.FLUSH),
        jobs.EvictTable: _asks_job(Action.EVICT),
        jobs.CompactTable: _asks_job(Action.COMPACT),
        jobs.Scrub: _asks_job(Action.COMPACT),
        jobs.KillJob: _asks_job(Action.KILL_JOB),
        backups.BackupDatabase: _asks_job(Action.BACKUP),
        backups.ShowBackup: _asks_job(Action.BACKUP, BACKUP_SCHEMA),
        backups.RestoreDatabase: _asks_job(Action.RESTORE),
    }
)
"""Of all kinds but EXECUTE AS, which becomes the run of the statement in it."""
