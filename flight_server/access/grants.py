"""Grants decide who may do what: one pure function a question, tables instead of branches.

Rule 1: what is not listed here is denied. A new kind of statement, role or level has no right until a line says so.
Rule 2: nothing here looks anything up. Whoever asks brings the facts, and asks anew for each call.

On a table or view the rights are those of the role at its access level, and those that were granted:

    access level  user    service  dba, system
    public        SELECT  all      all
    private       -       all      all           (default)
    restricted    -       -        all
    (a user table) all    all      all           each on their own rows, and nobody on another one's
    (a view)      -       SELECT   SELECT

    public stream SELECT, INSERT   all      all     (the default of stream tables; otherwise as above)

Whoever has no right at all on a table does not learn that it exists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from flight_server.access.principal import Principal
from storage.catalog.schema import TableKind
from storage.catalog.users import Privilege, Role


class Decision(Enum):
    """HIDDEN: denied, and to be told in the words for what does not exist."""

    ALLOWED = auto()
    DENIED = auto()
    HIDDEN = auto()


class Level(StrEnum):
    """Access levels of tables, and what stands for one with user tables and with views."""

    PUBLIC = "public"
    PRIVATE = "private"
    RESTRICTED = "restricted"
    OWN = "own"
    VIEW = "view"
    PUBLIC_STREAM = "public stream"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view as far as rights go. `granted`: what its caller was granted on it."""

    level: str
    granted: frozenset[Privilege] = frozenset()


def level_of(kind: str, access_level: str) -> str:
    """The level of a table by its kind and its option: rows of one's own are free, events are there to be put in."""
    if kind == TableKind.USER:
        return Level.OWN
    is_open = kind == TableKind.STREAM and access_level == Level.PUBLIC
    return Level.PUBLIC_STREAM if is_open else access_level


class Action(StrEnum):
    """What is not done to the rows of one table; the text is what an error says of it."""

    DEFINE = "define tables, views and namespaces"
    MANAGE_USERS = "manage users and rights"
    MANAGE_STORAGES = "manage storages"
    FLUSH = "flush tables and wait for jobs"
    EVICT = "evict events of stream tables"
    COMPACT = "compact or scrub tables"
    BACKUP = "back the database up"
    RESTORE = "restore the database"
    KILL_JOB = "kill jobs"
    KILL_QUERY_OF_OTHERS = "kill other users' queries"
    SEE_OTHERS = "see what other users run, hold and are granted"
    SEE_SERVER = "see settings and the audit log"
    SEE_FIGURES = "see figures of the whole database"
    ACT_FOR_OTHERS = "execute as another user"
    SEE_EVERYTHING = "see every table, and what lies under views"


_ALL: Final = frozenset(Privilege)
_READ: Final = frozenset({Privilege.SELECT})
_PUT: Final = frozenset({Privilege.SELECT, Privilege.INSERT})
_FROM_SERVICE: Final = frozenset({Role.SERVICE, Role.DBA, Role.SYSTEM})
_FROM_DBA: Final = frozenset({Role.DBA, Role.SYSTEM})

_ON_TABLES: Final[Mapping[str, Mapping[str, frozenset[Privilege]]]] = {
    Level.PUBLIC: {Role.USER: _READ, Role.SERVICE: _ALL, Role.DBA: _ALL, Role.SYSTEM: _ALL},
    Level.PRIVATE: {Role.SERVICE: _ALL, Role.DBA: _ALL, Role.SYSTEM: _ALL},
    Level.RESTRICTED: {Role.DBA: _ALL, Role.SYSTEM: _ALL},
    Level.OWN: dict.fromkeys(Role, _ALL),
    Level.PUBLIC_STREAM: {Role.USER: _PUT, Role.SERVICE: _ALL, Role.DBA: _ALL, Role.SYSTEM: _ALL},
    Level.VIEW: {Role.SERVICE: _READ, Role.DBA: _READ, Role.SYSTEM: _READ},
}

_ACTIONS: Final[Mapping[Action, frozenset[Role]]] = {
    Action.DEFINE: _FROM_DBA,
    Action.MANAGE_USERS: _FROM_DBA,
    Action.MANAGE_STORAGES: _FROM_DBA,
    Action.FLUSH: _FROM_SERVICE,
    Action.EVICT: _FROM_SERVICE,
    Action.COMPACT: _FROM_DBA,
    Action.BACKUP: _FROM_SERVICE,
    Action.RESTORE: _FROM_DBA,
    Action.KILL_JOB: _FROM_DBA,
    Action.KILL_QUERY_OF_OTHERS: _FROM_DBA,
    Action.SEE_OTHERS: _FROM_DBA,
    Action.SEE_SERVER: _FROM_DBA,
    Action.SEE_FIGURES: _FROM_SERVICE,
    Action.ACT_FOR_OTHERS: _FROM_SERVICE,
    Action.SEE_EVERYTHING: _FROM_DBA,
}

# Two actions by right of the role alone: whoever sees all tables may also read all rows, or rule 1 would be broken.
assert all(_ON_TABLES[level].get(role) for level in _ON_TABLES for role in _ACTIONS[Action.SEE_EVERYTHING])


def rights_on(principal: Principal, relation: Relation) -> frozenset[Privilege]:
    """All that the caller may do with the rows of one table or view."""
    by_role = _ON_TABLES.get(relation.level, {}).get(principal.role, frozenset())
    granted = relation.granted if principal.role in _KNOWN_ROLES else frozenset()
    return by_role | (granted & _READ if relation.level == Level.VIEW else granted)


_KNOWN_ROLES: Final = frozenset(Role)


def may(principal: Principal, privilege: Privilege, relation: Relation) -> Decision:
    """Whether the caller may do this with the rows of one table or view."""
    rights = rights_on(principal, relation)
    if privilege in rights:
        return Decision.ALLOWED
    return Decision.DENIED if rights else Decision.HIDDEN


def may_do(principal: Principal, action: Action) -> bool:
    """Whether the caller's role allows this."""
    return principal.role in _ACTIONS.get(action, frozenset())


def reads_as_maker(principal: Principal, view: Relation) -> bool:
    """Whether a view opens what lies under it. If not, it is read with the caller's own rights, which are enough for
    whoever sees everything."""
    return Privilege.SELECT in view.granted and not may_do(principal, Action.SEE_EVERYTHING)


def may_act_for(principal: Principal, role: str) -> bool:
    """EXECUTE AS: service and above, for their own role and those below it."""
    if not may_do(principal, Action.ACT_FOR_OTHERS) or role not in _KNOWN_ROLES:
        return False
    return Role(role).rank <= Role(principal.role).rank


def may_manage(principal: Principal, role: str) -> bool:
    """Whether the caller may make, change or drop a user of this role: a dba leaves the system role alone."""
    return may_do(principal, Action.MANAGE_USERS) and (role != Role.SYSTEM or principal.role == Role.SYSTEM)
