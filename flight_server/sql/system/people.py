"""System tables of users: who there is, what was granted, and what was done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flight_server.access.grants import Action
from flight_server.access.rights import Rights
from flight_server.sql.system.sources import MS, TEXT, Sources, SystemTable, columns, may_know
from storage.state.state import DatabaseState


def _users(_: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for user in sorted(state.catalog.users.values(), key=lambda user: user.name):
        if may_know(who, user.name):
            yield (
                *(user.name, user.role, user.email, user.storage or None, user.storage_mode),
                *(user.created_ms, user.dropped_ms or None),
            )


def _grants(_: Sources, state: DatabaseState, who: Rights) -> Iterable[tuple[Any, ...]]:
    for grant in sorted(state.catalog.grants.values(), key=lambda grant: grant.name):
        if may_know(who, grant.name.user):
            table = grant.name.table
            for privilege in grant.privileges:
                yield (
                    *(grant.name.user, table.namespace, table.table, str(privilege)),
                    *(grant.granted_by, grant.granted_ms),
                )


def _audit_log(sources: Sources, _: DatabaseState, __: Rights) -> Iterable[tuple[Any, ...]]:
    for event in sources.engine.audit_log.records():
        yield event.at_ms, event.user, event.as_user or None, event.action, event.object, event.detail


TABLES = (
    SystemTable(
        "users",
        columns(user=TEXT, role=TEXT, email=TEXT, storage=TEXT, storage_mode=TEXT, created=MS, dropped=MS),
        _users,
    ),
    SystemTable(
        "grants", columns(user=TEXT, namespace=TEXT, table=TEXT, privilege=TEXT, granted_by=TEXT, granted=MS), _grants
    ),
    SystemTable(
        "audit_log",
        columns(at=MS, user=TEXT, as_user=TEXT, action=TEXT, object=TEXT, detail=TEXT),
        _audit_log,
        Action.SEE_SERVER,
    ),
)
