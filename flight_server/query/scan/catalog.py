"""ScopeCatalog is the catalog that DataFusion sees while it plans one statement: one scope, asked name by name.

DataFusion asks only for the tables that a statement names. Each answer is kept for the statement, so a self join
sees one state and `allow` and virtual tables run once. Errors raised here pass through DataFusion unchanged.

A name is looked for in this order: 1. the scope's `extra` rows (bare names only), 2. virtual tables, 3. tables,
made ones among them (see `made_names`), 4. views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
from datafusion import SessionContext
from datafusion.catalog import CatalogProvider, SchemaProvider, Table

from flight_server.parser.text.made_names import old_version_of, rows_of, version_of
from flight_server.query.scan.cold_scan import outside_runtime
from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.scan.scope import QueryScope, opened
from flight_server.query.scan.table_scan import RowView, TableScans
from storage.catalog.names import RESERVED_PREFIX, TEMPORARY, TableName
from storage.catalog.schema import TableKind, ViewDef
from storage.errors import FrostlineError, InvalidRequest, NotFound, NotSupported
from storage.state.batch_rows import no_rows
from storage.state.nested_nulls import cleared_batch
from storage.state.stream_retention import visible, visible_until_ms

VIEW_DEPTH_MAX: Final = 32
SESSION: Final = (
    f"{RESERVED_PREFIX}_session"  # no namespace: where bare names are looked up when they may mean temporary tables
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """What the tables of one statement are made with.

    plan_view: plans the SELECT of a view within this lookup, its unqualified names looked up in another namespace
    touched:   is told what the names came to
    views:     the views that we are in, outermost first
    """

    context: SessionContext
    scans: TableScans
    scope: QueryScope
    rows: RowView
    plan_view: Callable[[ViewDef, Lookup], Table]
    touched: Dependencies
    views: tuple[TableName, ...] = ()

    def inside(self, view: ViewDef) -> Lookup:
        """The lookup for the text of `view`. Raises InvalidRequest when it names itself or nests too deep."""
        if view.name in self.views:
            chain = " -> ".join(str(name) for name in (*self.views, view.name))
            raise InvalidRequest(f"view '{view.name}' names itself ({chain})", sqlstate="42P19")
        if len(self.views) >= VIEW_DEPTH_MAX:
            raise InvalidRequest(f"views are nested more than {VIEW_DEPTH_MAX} deep at '{view.name}'", sqlstate="54001")
        return replace(self, scope=self.scope.inside(view), views=(*self.views, view.name))


class ScopeCatalog(CatalogProvider):
    """The database `frostline` for one statement."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._schemas: dict[str, ScopeSchema] = {}
        self.namespace = SESSION if lookup.scope.has_temporary else lookup.scope.namespace
        self.time_zone = lookup.scope.time_zone

    def schema_names(self) -> set[str]:
        return set(self._lookup.scope.catalog.namespaces)

    def schema(self, name: str) -> Any:
        return self._schemas.setdefault(name, ScopeSchema(self._lookup, name))


class ScopeSchema(SchemaProvider):
    """One namespace for one statement."""

    def __init__(self, lookup: Lookup, namespace: str) -> None:
        self._lookup = lookup
        self._namespace = namespace
        self._asked: dict[str, Table | None] = {}

    def table_names(self) -> set[str]:
        return {name.table for name in self._lookup.scope.catalog.names_in(self._namespace)}

    def table_exist(self, name: str) -> bool:
        return self.table(name) is not None

    def table(self, name: str) -> Table | None:
        """None when there is no such name. Raises PermissionDenied, InvalidRequest."""
        if name not in self._asked:
            self._asked[name] = self._find(name)
        return self._asked[name]

    def _find(self, name: str) -> Table | None:
        scope = self._lookup.scope
        if self._namespace == SESSION:
            return ScopeSchema(self._lookup, self._meant(name))._find(name)
        if self._namespace == scope.namespace and name in scope.extra:
            return self._passing(scope.extra[name])
        if (timed := version_of(name)) is not None:
            return self._stored(TableName(self._namespace, timed[0]), as_of=timed[1])
        if (target := rows_of(name)) is not None:
            return self._stored(TableName(self._namespace, target), as_of=None, changed=True)
        full = TableName(self._namespace, name)
        if full in scope.virtual:
            scope.allow(full)
            # On a thread of its own: to compute its rows it may need a query.
            rows = outside_runtime(scope.virtual[full])
            self._lookup.touched.virtual[full] = rows
            return self._passing(rows)
        if full in scope.catalog.views:
            return self._view(full)
        if self._lookup.views and full not in scope.catalog.tables and (timed := old_version_of(name)) is not None:
            return self._stored(TableName(self._namespace, timed[0]), as_of=timed[1])
        return self._stored(full, as_of=None)

    def _meant(self, name: str) -> str:
        """The namespace that a bare name is in."""
        scope = self._lookup.scope
        timed = version_of(name)
        own = TableName(TEMPORARY, timed[0] if timed else rows_of(name) or name)
        is_own = scope.has_temporary and name not in scope.extra and own in scope.catalog.tables
        return TEMPORARY if is_own else scope.namespace

    def _stored(self, name: TableName, as_of: int | None, *, changed: bool = False) -> Table | None:
        """`changed`: the target of a change: live versions with their system columns, whatever the text names."""
        scope = self._lookup.scope
        table = scope.catalog.tables.get(name)
        if name.is_temporary and as_of is not None:
            raise NotSupported(f"temporary table '{name.table}' keeps no earlier versions")
        if table is None or (name.is_temporary and not scope.temporary):
            if as_of is not None:
                raise NotFound(f"table '{name}' does not exist (only tables have versions)")
            return None
        self._allow(name)
        table = scope.own(table)
        self._lookup.touched.is_owned |= table.owner is not None
        only = scope.only(name) if as_of is None and not changed else None
        if only is not None:  # of this very state: a plan with it may be kept as any other
            self._lookup.touched.rows += only.num_rows
            self._lookup.touched.only.append((table, only))
            return rows_as_table(self._lookup.context, [only])
        rows = self._lookup.rows if as_of is None else replace(self._lookup.rows, as_of=as_of)
        rows = RowView(system_columns=True) if changed else rows
        if table.kind is TableKind.STREAM and as_of is not None:
            raise NotSupported(
                f"stream table '{name}' keeps no earlier versions: events are never changed, so ask for those up to "
                "then with WHERE _updated <= .. or _seq <= .."
            )
        rows = replace(rows, show_deleted=False) if name.is_temporary or table.kind is TableKind.STREAM else rows
        stored, now = scope.state.partition(table.partition_id), scope.now
        partition = visible(table, stored, now.ageing(stored.oldest_hot_ms))
        self._lookup.touched.until_ms = min(self._lookup.touched.until_ms, visible_until_ms(table, partition))
        self._lookup.touched.add_stored(table, partition)
        self._lookup.touched.passing |= rows.is_passing
        return self._lookup.scans.view(table, partition, rows, now.ageing_seq(rows.as_of))

    def _view(self, name: TableName) -> Table:
        view = self._lookup.scope.state.catalog.views[name]  # its text may be hidden from the caller
        self._allow(name)
        inside = self._lookup.inside(view)
        self._lookup.touched.views.append(view)
        self._lookup.touched.opened |= inside.scope.allow is opened
        return self._lookup.plan_view(view, inside)

    def _passing(self, rows: Sequence[pa.RecordBatch] | pa.Table) -> Table:
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        self._lookup.touched.passing = True
        self._lookup.touched.rows += sum(batch.num_rows for batch in batches)
        return rows_as_table(self._lookup.context, rows)

    def _allow(self, name: TableName) -> None:
        """Asked again for each use of the plan, but not for what a view opened."""
        allow = self._lookup.scope.allow
        if allow is not opened:
            allow(name)
            self._lookup.touched.names.append(name)


@contextmanager
def naming_namespace(namespace: str) -> Iterator[None]:
    """Errors about names that were looked up in SESSION speak of the session's namespace."""
    try:
        yield
    except FrostlineError as error:
        if f"{SESSION}." not in error.message:
            raise
        message = error.message.replace(f"{SESSION}.", f"{namespace}.")
        raise type(error)(message, sqlstate=error.sqlstate) from None


def rows_as_table(context: SessionContext, rows: Sequence[pa.RecordBatch] | pa.Table) -> Table:
    """Rows that are in memory. A sequence must hold at least one batch, or its schema is unknown."""
    if isinstance(rows, pa.Table):
        batches = rows.to_batches() or [no_rows(rows.schema)]
    else:
        batches = list(rows)
    return context.read_batches([cleared_batch(batch) for batch in batches]).into_view()
