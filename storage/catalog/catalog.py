"""Catalog holds everything that has a name, as one immutable value. DDL is a function from catalog to catalog.

The committer runs these functions one after the other, so each sees the outcome of the one before it and the
checks here ("already exists", "not empty") cannot race. Persisting is a comparison of the old and new maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import msgspec

from storage.catalog.names import DEFAULT_NAMESPACE, TableName, quoted_if_needed
from storage.catalog.references import check_references, following, with_references_kept, without_references_to
from storage.catalog.schema import NamespaceDef, TableDef, ViewDef
from storage.catalog.storages import LOCAL, LOCAL_STORAGE, StorageDef
from storage.catalog.users import Grant, GrantName, UserRecord
from storage.errors import AlreadyExists, InvalidRequest, NotFound

NAMES_SHOWN_MAX: Final = 10  # of what stands in the way of a DROP


def _frozen(items: Mapping) -> Mapping:  # type: ignore[type-arg]
    return MappingProxyType(dict(items))


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that has a name."""

    namespaces: Mapping[str, NamespaceDef] = field(
        default_factory=lambda: _frozen({DEFAULT_NAMESPACE: NamespaceDef(name=DEFAULT_NAMESPACE)})
    )
    tables: Mapping[TableName, TableDef] = field(default_factory=lambda: _frozen({}))
    views: Mapping[TableName, ViewDef] = field(default_factory=lambda: _frozen({}))
    users: Mapping[str, UserRecord] = field(default_factory=lambda: _frozen({}))
    grants: Mapping[GrantName, Grant] = field(default_factory=lambda: _frozen({}))
    storages: Mapping[str, StorageDef] = field(default_factory=lambda: _frozen({LOCAL: LOCAL_STORAGE}))
    _by_id: dict[int, TableDef] = field(default_factory=dict, init=False, repr=False, compare=False)

    def table(self, name: TableName) -> TableDef:
        """Raises NotFound with the way out, InvalidRequest for a view."""
        found = self.tables.get(name)
        if found is None:
            self.namespace(name.namespace)
            if name in self.views:
                raise InvalidRequest(f"'{name}' is a view, not a table", sqlstate="42809")
            raise NotFound(f"table '{name}' does not exist")
        return found

    def table_by_id(self, seen: TableDef) -> TableDef:
        """The table that was `seen`, as it is now, under whatever name. Raises NotFound."""
        table = self.tables_by_id.get(seen.table_id)
        if table is None:
            raise NotFound(f"table '{seen.name}' was dropped")
        return table if seen.owner is None else table.owned_by(seen.owner)

    def view(self, name: TableName) -> ViewDef:
        found = self.views.get(name)
        if found is None:
            if name in self.tables:
                raise InvalidRequest(f"'{name}' is a table, not a view", sqlstate="42809")
            raise NotFound(f"view '{name}' does not exist")
        return found

    def namespace(self, name: str) -> NamespaceDef:
        found = self.namespaces.get(name)
        if found is None:
            raise NotFound(
                f"namespace '{name}' does not exist; create it first with CREATE NAMESPACE {quoted_if_needed(name)}",
                sqlstate="3F000",
            )
        return found

    def names_in(self, namespace: str) -> Iterator[TableName]:
        """Tables and views of a namespace, sorted."""
        yield from sorted(n for n in (*self.tables, *self.views) if n.namespace == namespace)

    def is_taken(self, name: TableName) -> bool:
        return name in self.tables or name in self.views

    def with_each_table(self, change: Callable[[TableDef], TableDef]) -> Catalog:
        """The same catalog when nothing changes."""
        tables = {name: change(table) for name, table in self.tables.items()}
        if all(tables[name] is table for name, table in self.tables.items()):
            return self
        return replace(self, tables=_frozen(tables))

    @property
    def tables_by_id(self) -> Mapping[int, TableDef]:
        """Made once for a catalog, when it is first asked for."""
        if len(self._by_id) != len(self.tables):
            self._by_id.update((table.table_id, table) for table in self.tables.values())
        return self._by_id

    def with_namespace(self, namespace: NamespaceDef) -> Catalog:
        """Add or replace a namespace."""
        return replace(self, namespaces=_frozen({**self.namespaces, namespace.name: namespace}))

    def with_new_table(self, table: TableDef) -> Catalog:
        """Raises AlreadyExists, NotFound (namespace, storage, what it refers to), InvalidRequest (it is no key)."""
        self._check_free(table.name)
        catalog = self.with_table(table)
        check_references(catalog.tables, table)
        return catalog

    def with_replaced_table(self, table: TableDef) -> Catalog:
        """`table` in the place of the one of its name, without that one's grants. Foreign keys of others to it stay
        where they still find their key."""
        catalog = self.without_table(table.name).with_new_table(table)
        return replace(catalog, tables=_frozen(with_references_kept(self.tables, catalog.tables, table.name)))

    def with_table(self, table: TableDef) -> Catalog:
        """Add or replace a table; the caller has checked. Raises NotFound (its storage)."""
        self.storage(table.options.storage)
        return replace(self, tables=_frozen({**self.tables, table.name: table}))

    def with_altered_table(self, before: TableDef, after: TableDef, *, cascade: bool = False) -> Catalog:
        """`before` becomes `after`, under whatever name; grants and foreign keys to it follow.

        cascade: whether foreign keys go whose key is gone. Raises AlreadyExists, NotFound, InvalidRequest (if not).
        """
        if before.name != after.name:
            self._check_free(after.name)
        others = {name: table for name, table in self.tables.items() if name != before.name}
        catalog = replace(self, tables=_frozen(others)).with_table(after)
        tables = following(catalog.tables, before, after, cascade=cascade)
        check_references(tables, tables[after.name])
        return replace(catalog, tables=_frozen(tables), grants=self._grants_moved(before.name, after.name))

    def with_renamed_table(self, table: TableDef, name: TableName) -> Catalog:
        """`table` (as it is now) under another name. Raises AlreadyExists, NotFound."""
        return self.with_altered_table(table, msgspec.structs.replace(table, name=name, version=table.version + 1))

    def without_table(self, name: TableName) -> Catalog:
        """Its grants go with it, and the foreign keys of others to it."""
        tables = without_references_to({k: v for k, v in self.tables.items() if k != name}, (name,))
        return replace(self, tables=_frozen(tables), grants=self._grants_but(lambda grant: grant.table == name))

    def with_view(self, view: ViewDef, *, or_replace: bool) -> Catalog:
        if not (or_replace and view.name in self.views):
            self._check_free(view.name)
        return replace(self, views=_frozen({**self.views, view.name: view}))

    def with_renamed_view(self, view: ViewDef, name: TableName) -> Catalog:
        """`view` under another name; its grants go with it. Raises AlreadyExists."""
        self._check_free(name)
        others = {k: v for k, v in self.views.items() if k != view.name}
        renamed = msgspec.structs.replace(view, name=name)
        return replace(self, views=_frozen({**others, name: renamed}), grants=self._grants_moved(view.name, name))

    def without_view(self, name: TableName) -> Catalog:
        """Its grants go with it."""
        views = _frozen({k: v for k, v in self.views.items() if k != name})
        return replace(self, views=views, grants=self._grants_but(lambda grant: grant.table == name))

    def without_namespace(self, name: str, *, cascade: bool) -> Catalog:
        """Raises InvalidRequest listing what is in it, unless `cascade`."""
        self.namespace(name)
        inside = [n.table for n in self.names_in(name)]
        if name == DEFAULT_NAMESPACE:
            raise InvalidRequest(f"namespace '{name}' is the default one and can't be dropped", sqlstate="2BP01")
        if inside and not cascade:
            raise InvalidRequest(
                f"namespace '{name}' is not empty (holds {_first(inside)}); drop these first or add CASCADE",
                sqlstate="2BP01",
            )
        tables = {k: v for k, v in self.tables.items() if k.namespace != name}
        return replace(
            self,
            namespaces=_frozen({k: v for k, v in self.namespaces.items() if k != name}),
            tables=_frozen(without_references_to(tables, [k for k in self.tables if k.namespace == name])),
            views=_frozen({k: v for k, v in self.views.items() if k.namespace != name}),
            grants=self._grants_but(lambda grant: grant.table.namespace == name),
        )

    def user(self, name: str) -> UserRecord:
        """One who is not dropped. Raises NotFound."""
        found = self.users.get(name)
        if found is None or not found.is_active:
            raise NotFound(f"user '{name}' does not exist", sqlstate="42704")
        return found

    def with_user(self, user: UserRecord) -> Catalog:
        """Add or replace a user. Raises NotFound (the user's storage)."""
        if user.storage:
            self.storage(user.storage)
        return replace(self, users=_frozen({**self.users, user.name: user}))

    def without_user(self, name: str) -> Catalog:
        """For good, with all grants."""
        users = _frozen({k: v for k, v in self.users.items() if k != name})
        return replace(self, users=users, grants=self._grants_but(lambda grant: grant.user == name))

    def with_grant(self, grant: Grant) -> Catalog:
        """Add or replace what one user may do with one table or view."""
        return replace(self, grants=_frozen({**self.grants, grant.name: grant}))

    def without_grant(self, name: GrantName) -> Catalog:
        return replace(self, grants=self._grants_but(lambda grant: grant == name))

    def storage(self, name: str) -> StorageDef:
        """Raises NotFound with the way out."""
        found = self.storages.get(name)
        if found is None:
            raise NotFound(
                f"storage '{name}' does not exist; SHOW STORAGES lists all, CREATE STORAGE makes one", sqlstate="42704"
            )
        return found

    def with_storage(self, storage: StorageDef) -> Catalog:
        """Add or replace a storage. Raises InvalidRequest when it lies where another one does."""
        for other in self.storages.values():
            if storage.overlaps(other):
                raise InvalidRequest(
                    f"storage '{storage.name}' would lie where storage '{other.name}' does; give it a place of its own",
                    sqlstate="42710",
                )
        return replace(self, storages=_frozen({**self.storages, storage.name: storage}))

    def without_storage(self, name: str) -> Catalog:
        """Raises NotFound, InvalidRequest (it is `local`, or in use)."""
        self.storage(name)
        if name == LOCAL:
            raise InvalidRequest(f"storage '{LOCAL}' is always there and can't be dropped", sqlstate="2BP01")
        tables = sorted(str(table.name) for table in self.tables.values() if table.options.storage == name)
        if tables:
            raise InvalidRequest(
                f"storage '{name}' can't be dropped: it is that of {_counted(tables, 'table')} ({_first(tables)}); "
                "drop them, or move them with ALTER TABLE .. SET (storage = ..) first",
                sqlstate="2BP01",
            )
        users = sorted(user.name for user in self.users.values() if user.storage == name)
        if users:
            raise InvalidRequest(
                f"storage '{name}' can't be dropped: it is that of {_counted(users, 'user')} ({_first(users)}); give "
                "them another one with ALTER USER .. STORAGE .. first",
                sqlstate="2BP01",
            )
        return replace(self, storages=_frozen({k: v for k, v in self.storages.items() if k != name}))

    def _grants_but(self, gone: Callable[[GrantName], bool]) -> Mapping[GrantName, Grant]:
        if not any(map(gone, self.grants)):
            return self.grants
        return _frozen({name: grant for name, grant in self.grants.items() if not gone(name)})

    def _grants_moved(self, old: TableName, new: TableName) -> Mapping[GrantName, Grant]:
        """What was granted on `old` is granted on `new`."""
        if old == new or not any(grant.table == old for grant in self.grants):
            return self.grants
        moved = (
            msgspec.structs.replace(grant, name=GrantName(grant.name.user, new)) if grant.name.table == old else grant
            for grant in self.grants.values()
        )
        return _frozen({grant.name: grant for grant in moved})

    def _check_free(self, name: TableName) -> None:
        self.namespace(name.namespace)
        if self.is_taken(name):
            what = "view" if name in self.views else "table"
            raise AlreadyExists(f"{what} '{name}' already exists")


def _first(names: list[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN_MAX]) + (", .." if len(names) > NAMES_SHOWN_MAX else "")


def _counted(names: list[str], what: str) -> str:
    return f"{len(names)} {what}" + ("" if len(names) == 1 else "s")
