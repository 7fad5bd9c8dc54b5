"""Rights are what one caller may do at one moment, by the newest catalog's users, grants and access levels.

A transaction reads an old catalog, but never with old rights: what is decided here goes by the newest one, so that
REVOKE acts on the very next call. Tables are found again by their id, whatever they are called by now.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from flight_server.access.grants import (
    Action,
    Decision,
    Level,
    Relation,
    level_of,
    may,
    may_do,
    reads_as_maker,
    rights_on,
)
from flight_server.access.principal import Principal
from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE, RESERVED_NAMESPACES, TableName
from storage.catalog.references import with_known_references
from storage.catalog.schema import TableDef
from storage.catalog.users import GrantName, Privilege
from storage.errors import NotFound, PermissionDenied

_CALLERS_MAX: Final = 1000
_KEPT_CATALOGS_MAX: Final = 4
_NOTHING: Final[frozenset[Privilege]] = frozenset()
T = TypeVar("T")


class Rights:
    """Immutable but for what it remembers. Its identity stands for "this caller with these rights"."""

    def __init__(self, principal: Principal, newest: Catalog) -> None:
        self.principal = principal
        self._newest = newest
        self._sees_all = may_do(principal, Action.SEE_EVERYTHING)
        self._by_id = {} if self._sees_all else {table.table_id: table for table in newest.tables.values()}
        self._visible: OrderedDict[int, tuple[Catalog, Catalog]] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Rights of {self.principal.name}, {self.principal.role}>"

    @property
    def key(self) -> object:
        """Stands for these rights: callers with the same key see and may read the same."""
        return None if self._sees_all else self

    def require(self, privilege: Privilege, name: TableName, catalog: Catalog) -> None:
        """Raises PermissionDenied; NotFound, in the words for a missing table, when the caller may not know of it.

        catalog: in which the statement looks its names up
        """
        if name.namespace in RESERVED_NAMESPACES:
            return  # system tables: who may not see one is not shown it
        relation = self._relation(name, catalog)
        decision = Decision.HIDDEN if relation is None else may(self.principal, privilege, relation)
        if decision is Decision.ALLOWED:
            return
        if decision is Decision.HIDDEN:
            raise NotFound(f"table '{name}' does not exist")
        raise PermissionDenied(
            f"user '{self.principal.name}' may not {privilege} on '{name}'; a dba can GRANT {privilege} ON {name} TO it"
        )

    def may(self, privilege: Privilege, name: TableName, catalog: Catalog) -> bool:
        """Whether `require` would let it pass; of a table or view of `catalog`."""
        relation = self._relation(name, catalog)
        return relation is not None and may(self.principal, privilege, relation) is Decision.ALLOWED

    def require_action(self, action: Action) -> None:
        """Raises PermissionDenied."""
        if not may_do(self.principal, action):
            raise PermissionDenied(
                f"user '{self.principal.name}' with role '{self.principal.role}' may not {action}; ask one who may"
            )

    def may_do(self, action: Action) -> bool:
        return may_do(self.principal, action)

    def opens(self, view: TableName, catalog: Catalog) -> bool:
        """Whether what lies under the view is read with its maker's rights."""
        relation = self._relation(view, catalog)
        return relation is not None and reads_as_maker(self.principal, relation)

    def sees(self, name: TableName, catalog: Catalog) -> bool:
        """Whether the caller may know that a table or view exists."""
        if name.is_temporary:
            return True  # of the caller's own session: no other one's are ever met
        relation = self._relation(name, catalog)
        return relation is not None and bool(rights_on(self.principal, relation))

    def visible(self, catalog: Catalog) -> Catalog:
        """`catalog` without what the caller may not know of, texts of views included, which name what lies under them.

        The same object for the same catalog.
        """
        if self._sees_all:
            return catalog
        with self._lock:
            found = self._visible.get(id(catalog))
            if found is None:
                found = (catalog, self._filtered(catalog))  # held here, so that the id stays its own
                self._visible[id(catalog)] = found
                if len(self._visible) > _KEPT_CATALOGS_MAX:
                    self._visible.popitem(last=False)
            return found[1]

    def _filtered(self, catalog: Catalog) -> Catalog:
        seen = {name: table for name, table in catalog.tables.items() if self.sees(name, catalog)}
        tables = with_known_references(seen, seen)
        views = {
            name: msgspec.structs.replace(view, sql="")
            for name, view in catalog.views.items()
            if self.sees(name, catalog)
        }
        namespaces = catalog.namespaces
        if not self.may_do(Action.SEE_FIGURES):
            inhabited = {DEFAULT_NAMESPACE, *(name.namespace for name in (*tables, *views))}
            namespaces = _frozen({name: n for name, n in namespaces.items() if name in inhabited})
        return replace(catalog, namespaces=namespaces, tables=_frozen(tables), views=_frozen(views))

    def _relation(self, name: TableName, catalog: Catalog) -> Relation | None:
        """None when there is no such table or view."""
        table = catalog.tables.get(name)
        if table is not None:
            now = self._by_id.get(table.table_id, table)
            return Relation(level_of(now.kind, now.options.access_level), self._granted(now))
        if name in catalog.views:
            return Relation(Level.VIEW, self._granted_on(name))
        return None

    def _granted(self, table: TableDef) -> frozenset[Privilege]:
        return self._granted_on(table.name)

    def _granted_on(self, name: TableName) -> frozenset[Privilege]:
        grant = self._newest.grants.get(GrantName(self.principal.name, name))
        return _NOTHING if grant is None else frozenset(grant.privileges)


class RightsBook:
    """Rights by caller, made anew when the catalog is another one. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Catalog | None = None
        self._rights: OrderedDict[Principal, Rights] = OrderedDict()

    def of(self, principal: Principal, newest: Catalog) -> Rights:
        """The rights of `principal` in the `newest` catalog."""
        with self._lock:
            if newest is not self._newest:
                self._newest = newest
                self._rights.clear()
            found = self._rights.get(principal)
            if found is None:
                found = self._rights[principal] = Rights(principal, newest)
                if len(self._rights) > _CALLERS_MAX:
                    self._rights.popitem(last=False)
            return found


def _frozen(items: dict[str, T] | dict[TableName, T]) -> Mapping:  # type: ignore[type-arg]
    return MappingProxyType(items)
