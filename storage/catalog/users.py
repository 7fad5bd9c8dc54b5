"""UserRecord and Grant: users and their privileges, as records of the catalog.

A dropped user stays for a grace period, without any power, so that UNDROP USER can bring back name, password and
grants. Grants go with their table: a table that is dropped or replaced takes them along, a renamed one keeps them.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import msgspec

from storage.catalog.names import TableName
from storage.errors import InvalidRequest

ROOT: Final = "root"  # the user that is always there
USER_NAME_RULE: Final = "1-64 characters: letters, digits, _ . @ + -, beginning with a letter, a digit or _"
_USER_NAME: Final = re.compile(r"\w[\w.@+-]{0,63}", re.ASCII)


class Role(StrEnum):
    """What a user may do as such. Kept by name: never rename one."""

    USER = "user"
    SERVICE = "service"
    DBA = "dba"
    SYSTEM = "system"

    @property
    def rank(self) -> int:
        """A higher one may act for a lower one, never the other way round."""
        return _RANKS[self]


_RANKS: Final = {Role.USER: 0, Role.SERVICE: 1, Role.DBA: 2, Role.SYSTEM: 3}


class Privilege(StrEnum):
    """What can be granted on a table. Kept by name: never rename one."""

    SELECT = "SELECT"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


class UserRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who may log in.

    password_hash: an argon2id string that never leaves the server; "" = no log-in by password
    dropped_ms:    since when the user is dropped; 0 = not
    storage:       where their rows of user tables go if their storage_mode says so; "" = none of their own
    storage_mode:  'table' or 'region': whether the table's storage or their own comes first
    token_epoch:   in each token of ours; a token with another one is void (the password was changed since)
    """

    name: str
    role: str
    password_hash: str
    created_ms: int = 0
    email: str = ""
    dropped_ms: int = 0
    token_epoch: int = 0
    storage: str = ""
    storage_mode: str = "table"

    @property
    def is_active(self) -> bool:
        return self.dropped_ms == 0

    def is_gone(self, now_ms: int, grace_ms: int) -> bool:
        """Whether it was dropped so long ago that it can't be brought back."""
        return not self.is_active and now_ms - self.dropped_ms >= grace_ms


class GrantName(msgspec.Struct, frozen=True, order=True):
    """Who may do something, and with which table or view."""

    user: str
    table: TableName

    def __str__(self) -> str:
        return f"{self.table}/{self.user}"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Privileges of one user on one table or view, in the order of `Privilege`; never none."""

    name: GrantName
    privileges: tuple[Privilege, ...]
    granted_by: str = ""
    granted_ms: int = 0


def checked_user_name(name: str) -> str:
    """Raises InvalidRequest quoting the rule."""
    if _USER_NAME.fullmatch(name) is None:
        raise InvalidRequest(f"user name {name[:80]!r} is not allowed: {USER_NAME_RULE}", sqlstate="42602")
    return name


def in_order(privileges: frozenset[Privilege]) -> tuple[Privilege, ...]:
    """As `Privilege` lists them."""
    return tuple(privilege for privilege in Privilege if privilege in privileges)
