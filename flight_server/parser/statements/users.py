"""Statements about users and their rights, as values. Names are checked; secrets are kept out of `repr`."""

from __future__ import annotations

from dataclasses import dataclass, field

from flight_server.parser.statements.table_ref import TableRef
from storage.catalog.storages import StorageMode
from storage.catalog.users import Privilege, Role


@dataclass(frozen=True, slots=True)
class Secret:
    """A password as written, or the number of the parameter that brings it; both None: no password (any more)."""

    text: str | None = field(default=None, repr=False)
    parameter: str | None = None


@dataclass(frozen=True, slots=True)
class CreateUser:
    name: str
    password: Secret = Secret()
    role: Role = Role.USER
    email: str = ""
    if_not_exists: bool = False
    storage: str = ""
    storage_mode: StorageMode = StorageMode.TABLE


@dataclass(frozen=True, slots=True)
class AlterUser:
    """None: stays as it is."""

    name: str
    password: Secret | None = None
    role: Role | None = None
    email: str | None = None
    storage: str | None = None  # "" = none of their own any more
    storage_mode: StorageMode | None = None

    @property
    def moves(self) -> bool:
        """Whether it says where the user's rows go."""
        return self.storage is not None or self.storage_mode is not None


@dataclass(frozen=True, slots=True)
class DropUser:
    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class UndropUser:
    name: str


@dataclass(frozen=True, slots=True)
class GrantRights:
    """GRANT and, with `revoke`, REVOKE. No privileges: ALL of them."""

    privileges: frozenset[Privilege]
    tables: tuple[TableRef, ...]
    users: tuple[str, ...]
    revoke: bool = False


@dataclass(frozen=True, slots=True)
class ExecuteAs:
    """`EXECUTE AS USER 'name' (statement)`; the statement is parsed when it runs."""

    user: str
    sql: str


UserStatement = CreateUser | AlterUser | DropUser | UndropUser | GrantRights
