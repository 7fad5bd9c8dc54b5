"""Decides whether a user may act for another one, by the newest catalog."""

from __future__ import annotations

from flight_server.access.grants import may_act_for
from flight_server.access.principal import Principal
from storage.catalog.catalog import Catalog
from storage.errors import PermissionDenied


def acted_for(doer: Principal, name: str, newest: Catalog) -> Principal:
    """The user `name` as they are now, if `doer`, with the role of now, may act for them. Raises PermissionDenied."""
    now = newest.users.get(doer.name)
    user = newest.users.get(name)
    if now is None or not now.is_active or user is None or not user.is_active:
        raise _refused(doer, name)
    if not may_act_for(Principal(now.name, now.role), user.role):
        raise _refused(doer, name)
    return Principal(user.name, user.role)


def _refused(doer: Principal, name: str) -> PermissionDenied:
    return PermissionDenied(f"user '{doer.name}' may not execute as '{name}'")
