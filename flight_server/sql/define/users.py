"""CREATE, ALTER, DROP and UNDROP USER, GRANT and REVOKE: functions from catalog to catalog, like all definitions.

What a caller may do to whom is checked inside of them, against the catalog that the change is made on, so that no
role can change in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from flight_server.access.grants import may_manage
from flight_server.access.principal import Principal
from flight_server.parser.statements.users import (
    AlterUser,
    CreateUser,
    DropUser,
    GrantRights,
    Secret,
    UndropUser,
    UserStatement,
)
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.catalog import Catalog
from storage.catalog.names import RESERVED_NAMESPACES, TableName
from storage.catalog.users import ROOT, Grant, GrantName, Privilege, UserRecord, in_order
from storage.database_time import Now
from storage.errors import AlreadyExists, InvalidRequest, NotFound, PermissionDenied

Change = Callable[[Catalog], Catalog]


@dataclass(frozen=True, slots=True)
class _Doer:
    """Who does it, when, and how long a dropped user can be brought back."""

    principal: Principal
    now_ms: int
    settled: Now
    grace_ms: int

    def check(self, role: str) -> None:
        """Raises PermissionDenied for a role that is above the doer's reach."""
        if not may_manage(self.principal, role):
            raise PermissionDenied(f"user '{self.principal.name}' may not manage users with role '{role}'")


def define_user(context: StatementContext, statement: UserStatement) -> None:
    """Apply it to the context's transaction. Raises AlreadyExists, NotFound, InvalidRequest, PermissionDenied."""
    services = context.services
    now, settled = services.engine.time.both()
    doer = _Doer(context.session.principal, now.database_ms, settled, services.user_grace_ms)
    context.transaction.change_catalog(_change(context, statement, doer))


def without_gone(catalog: Catalog, now: Now, grace_ms: int) -> Catalog:
    """Dropped users whose grace period is over are gone for good, with their grants; a job sees to their rows."""
    for user in catalog.users.values():
        if user.is_gone(now.ageing(user.dropped_ms), grace_ms):
            catalog = catalog.without_user(user.name)
    return catalog


def _change(context: StatementContext, statement: UserStatement, doer: _Doer) -> Change:
    match statement:
        case CreateUser():
            return _created(context, statement, doer)
        case AlterUser():
            return _altered(context, statement, doer)
        case DropUser():
            return lambda catalog: _dropped(catalog, statement, doer)
        case UndropUser():
            return lambda catalog: _undropped(catalog, statement, doer)
        case GrantRights():
            tables = tuple(context.name(table) for table in statement.tables)
            return lambda catalog: _granted(catalog, statement, tables, doer)


def _created(context: StatementContext, statement: CreateUser, doer: _Doer) -> Change:
    doer.check(statement.role)
    record = UserRecord(
        name=statement.name,
        role=statement.role,
        password_hash=_hash(context, statement.password),
        created_ms=doer.now_ms,
        email=statement.email,
        storage=statement.storage,
        storage_mode=statement.storage_mode,
        token_epoch=doer.now_ms,
    )

    def create(catalog: Catalog) -> Catalog:
        catalog = without_gone(catalog, doer.settled, doer.grace_ms)
        old = catalog.users.get(record.name)
        if old is None:
            return catalog.with_user(record)
        if not old.is_active:
            raise AlreadyExists(
                f"user '{old.name}' was dropped and its name is kept for a while; use UNDROP USER or another name",
                sqlstate="42710",
            )
        if statement.if_not_exists:
            return catalog
        raise AlreadyExists(f"user '{old.name}' already exists; change it with ALTER USER", sqlstate="42710")

    return create


def _altered(context: StatementContext, statement: AlterUser, doer: _Doer) -> Change:
    changes: dict[str, object] = {}
    if statement.password is not None:
        changes["password_hash"] = _hash(context, statement.password)
    if statement.email is not None:
        changes["email"] = statement.email
    if statement.storage is not None:
        changes["storage"] = statement.storage
    if statement.storage_mode is not None:
        changes["storage_mode"] = statement.storage_mode
    if statement.role is not None:
        doer.check(statement.role)
        changes["role"] = statement.role

    def alter(catalog: Catalog) -> Catalog:
        user = catalog.user(statement.name)
        if user.name != doer.principal.name or statement.role is not None or statement.moves:
            doer.check(user.role)
        if user.name == ROOT and statement.role not in (None, user.role):
            raise InvalidRequest(f"user '{ROOT}' keeps its role; make another user for another one")
        epoch = _next_epoch(user, doer.now_ms) if statement.password is not None else user.token_epoch
        if user.name == context.session.principal.name:
            context.session.kept_epoch = epoch  # whoever changes their own password is not logged out by it
        return catalog.with_user(msgspec.structs.replace(user, token_epoch=epoch, **changes))

    return alter


def _dropped(catalog: Catalog, statement: DropUser, doer: _Doer) -> Catalog:
    catalog = without_gone(catalog, doer.settled, doer.grace_ms)
    old = catalog.users.get(statement.name)
    if statement.if_exists and (old is None or not old.is_active):
        return catalog
    user = catalog.user(statement.name)
    doer.check(user.role)
    if user.name in (ROOT, doer.principal.name):
        why = "is needed to start the server" if user.name == ROOT else "is the one you are logged in as"
        raise InvalidRequest(f"user '{user.name}' {why} and can't be dropped", sqlstate="2BP01")
    epoch = _next_epoch(user, doer.now_ms)
    return catalog.with_user(msgspec.structs.replace(user, dropped_ms=doer.now_ms, token_epoch=epoch))


def _undropped(catalog: Catalog, statement: UndropUser, doer: _Doer) -> Catalog:
    catalog = without_gone(catalog, doer.settled, doer.grace_ms)
    user = catalog.users.get(statement.name)
    if user is None or user.is_active:
        raise NotFound(f"there is no dropped user '{statement.name}' to bring back", sqlstate="42704")
    doer.check(user.role)
    return catalog.with_user(msgspec.structs.replace(user, dropped_ms=0))


def _granted(catalog: Catalog, statement: GrantRights, tables: tuple[TableName, ...], doer: _Doer) -> Catalog:
    for table in tables:
        chosen = _grantable(catalog, statement, table)
        for user in statement.users:
            catalog.user(user)
            name = GrantName(user, table)
            old = catalog.grants.get(name)
            had = frozenset() if old is None else frozenset(old.privileges)
            has = had - chosen if statement.revoke else had | chosen
            if has == had:
                continue
            catalog = catalog.without_grant(name) if not has else catalog.with_grant(_grant(name, has, doer))
    return catalog


def _grantable(catalog: Catalog, statement: GrantRights, table: TableName) -> frozenset[Privilege]:
    """The privileges that the statement is about. Raises NotFound, InvalidRequest."""
    if table.is_temporary:
        raise InvalidRequest(f"temporary table '{table.table}' is the session's own and can't be granted")
    if table.namespace in RESERVED_NAMESPACES:
        raise InvalidRequest(f"'{table}' is a system table; who sees what of it goes by role", sqlstate="42809")
    if table not in catalog.views:
        catalog.table(table)
        return statement.privileges or frozenset(Privilege)
    if not statement.privileges <= {Privilege.SELECT}:
        raise InvalidRequest(f"'{table}' is a view; only SELECT can be granted on it", sqlstate="42809")
    return frozenset({Privilege.SELECT})


def _grant(name: GrantName, privileges: frozenset[Privilege], doer: _Doer) -> Grant:
    return Grant(name=name, privileges=in_order(privileges), granted_by=doer.principal.name, granted_ms=doer.now_ms)


def _hash(context: StatementContext, password: Secret) -> str:
    """Raises InvalidRequest for a password that is empty, too long or no text."""
    text = password.text
    if password.parameter is not None:
        value = (context.params or {}).get(password.parameter)
        text = None if value is None else value.as_py()
        if not isinstance(text, str):
            raise InvalidRequest("the password has to be bound as text", sqlstate="07001")
    return "" if text is None else context.services.passwords.hash(text)


def _next_epoch(user: UserRecord, now_ms: int) -> int:
    return max(user.token_epoch + 1, now_ms)
