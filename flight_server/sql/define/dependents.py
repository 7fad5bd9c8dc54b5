"""Dependents of a table or a view: views that read it, found by planning them, and foreign keys.

A view is text that is looked up anew each time, so what it reads is known only to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace

from flight_server.query.scan.scope import allow_all, opens_none
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.catalog import NAMES_SHOWN_MAX, Catalog
from storage.catalog.names import TableName, quoted
from storage.catalog.schema import ViewDef
from storage.errors import FrostlineError, InvalidRequest


def dependent_views(context: StatementContext, name: TableName) -> tuple[TableName, ...]:
    """The views that read `name`, directly or through other views, sorted."""
    reads = {view.name: _reads(context, view) for view in context.transaction.catalog.views.values()}
    found = {name}
    while more := {view for view, names in reads.items() if view not in found and not names.isdisjoint(found)}:
        found |= more
    return tuple(sorted(found - {name}))


def working(context: StatementContext, views: Iterable[TableName]) -> tuple[TableName, ...]:
    """Those of `views` that can be read."""
    found: list[TableName] = []
    for view in views:
        with suppress(FrostlineError):
            _plan(context, view, allow_all)
            found.append(view)
    return tuple(found)


def _reads(context: StatementContext, view: ViewDef) -> set[TableName]:
    """Tables and views that the text of `view` comes to; of one that no longer works, those that it comes to before."""
    names: set[TableName] = set()
    with suppress(FrostlineError):
        _plan(context, view.name, names.add)
    return names


def _plan(context: StatementContext, view: TableName, allow: Callable[[TableName], None]) -> None:
    """Nobody's rights are asked: whoever may drop something need not be able to read it."""
    scope = replace(context.scope(), known=None, caller=object(), allow=allow, opens=opens_none)
    context.services.queries.plan(f"SELECT * FROM {quoted(view.namespace)}.{quoted(view.table)}", scope)


def without_views(catalog: Catalog, views: Collection[TableName]) -> Catalog:
    """`catalog` without those of `views` that are still there."""
    for view in views:
        if view in catalog.views:
            catalog = catalog.without_view(view)
    return catalog


def refuse_dependents(catalog: Catalog, name: TableName, views: Collection[TableName]) -> None:
    """Raises InvalidRequest (2BP01) naming what depends on `name`, `views` being those that do."""
    keys = [
        f"foreign key '{constraint.name}' of table '{table.name}'"
        for table in catalog.tables.values()
        for constraint in table.constraints
        if table.name != name and constraint.refers_to((name,))
    ]
    found = [*(f"view '{view}'" for view in views), *sorted(keys)]
    if not found:
        return
    shown = ", ".join(found[:NAMES_SHOWN_MAX]) + (", .." if len(found) > NAMES_SHOWN_MAX else "")
    raise InvalidRequest(
        f"'{name}' can't be dropped with RESTRICT, since this depends on it: {shown}; use CASCADE to drop it as well",
        sqlstate="2BP01",
    )
