"""QueryScope says what a statement may see."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from flight_server.parser.dialect.session_words import Words
from storage.catalog.catalog import Catalog
from storage.catalog.names import DEFAULT_NAMESPACE, TEMPORARY, TableName
from storage.catalog.schema import TableDef, ViewDef
from storage.database_time import Now
from storage.state.state import DatabaseState


def allow_all(_: TableName) -> None:
    """For callers that have checked already, and for tests."""


def opens_none(_: TableName) -> bool:
    """Every view is read with the caller's own rights."""
    return False


def opened(_: TableName) -> None:
    """What `allow` is inside of a view that opens what lies under it."""


def all_rows(_: TableName) -> None:
    """Any row may matter."""


def as_it_is(table: TableDef) -> TableDef:
    """No rows of user tables are anybody's."""
    return table


@dataclass(frozen=True, slots=True)
class QueryScope:
    """One moment of the database as one caller may see it.

    state:     what tables look like
    known:     the names that the caller may know; every other one does not exist. None: all that `state` has
    namespace: where unqualified names are looked up
    virtual:   system.*, information_schema.*: computed when a statement asks for them, once
    extra:     bare names that hide tables of the namespace (EXCLUDED rows, RETURNING rows, temp tables)
    only:      the rows of a table that alone can matter to the statement; None: all of them
    allow:     raises PermissionDenied; called for each table a statement reaches
    opens:     whether a view opens what lies under it: then neither `known` nor `allow` holds inside of it
    caller:    stands for `known`, `allow` and `opens`: what was planned for one caller is not another's
    own:       a user table with the caller's own rows, any other table as it is
    owner_key: stands for `own`: what was planned over somebody's own rows is not another's
    now_ms:    the moment that retention is measured against, by the database's time; 0 = nothing is too old
    wall_ms:   the same by the clock, which may be behind; None = `now_ms`
    temporary: whether the temporary tables in `state` can be named; views can't
    time_zone: for now(), TIMESTAMP WITH TIME ZONE and zone-less literals
    words:     current_user and its like -> what they stand for, in the texts of views and defaults
    """

    state: DatabaseState
    namespace: str = DEFAULT_NAMESPACE
    virtual: Mapping[TableName, Callable[[], pa.Table]] = field(default_factory=dict)
    extra: Mapping[str, Sequence[pa.RecordBatch] | pa.Table] = field(default_factory=dict)
    only: Callable[[TableName], pa.RecordBatch | None] = all_rows
    allow: Callable[[TableName], None] = allow_all
    opens: Callable[[TableName], bool] = opens_none
    known: Catalog | None = None
    caller: Hashable = None
    own: Callable[[TableDef], TableDef] = as_it_is
    owner_key: Hashable = None
    now_ms: int = 0
    wall_ms: int | None = None
    time_zone: str = "+00:00"
    temporary: bool = True
    words: Callable[[], Words] = dict

    @property
    def now(self) -> Now:
        """What tells how old something is."""
        wall_ms = self.now_ms if self.wall_ms is None else self.wall_ms
        return Now(wall_ms, wall_ms, self.now_ms)

    @property
    def has_temporary(self) -> bool:
        """Whether bare names may mean temporary tables."""
        return self.temporary and TEMPORARY in self.state.catalog.namespaces

    @property
    def catalog(self) -> Catalog:
        """Where names are looked up."""
        return self.state.catalog if self.known is None else self.known

    def key_of(self, namespace: str, name: str) -> tuple[str, ...]:
        """The columns of the primary key of a table that the caller may know; none where there is no such."""
        table = self.catalog.tables.get(TableName(namespace or self.namespace, name))
        return () if table is None or (not namespace and name in self.extra) else table.primary_key

    def is_view(self, namespace: str, name: str) -> bool:
        """Whether the name means a view that the caller may know."""
        return TableName(namespace or self.namespace, name) in self.catalog.views

    def inside(self, view: ViewDef) -> QueryScope:
        """The scope of a view's own text."""
        inner = replace(self, namespace=view.default_namespace, extra={}, only=all_rows, temporary=False)
        return replace(inner, known=None, allow=opened) if self.opens(view.name) else inner
