"""What a view opens: whose rights hold inside of it, and that kept plans never carry one caller's to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest

from flight_server.query import QueryScope
from storage.catalog.names import TableName
from storage.catalog.schema import TableDef
from storage.errors import NotFound, PermissionDenied
from tests.support.query_database import NOW_MS, Database, column, seq_at

V = TableName("public", "v")


def only(*tables: str) -> Callable[[TableName], None]:
    def allow(name: TableName) -> None:
        if name.table not in tables:
            raise PermissionDenied(f"no {name}")

    return allow


@pytest.fixture
def t(db: Database) -> TableDef:
    table = db.table("t", column("id", pa.int64()))
    db.hot(table, [seq_at(NOW_MS, 1), seq_at(NOW_MS, 2)], id=[1, 2])
    return table


@pytest.fixture
def scope(db: Database, t: TableDef) -> QueryScope:
    """t, its view v, and a caller who may read v and does not know of t."""
    db.view("v", "SELECT id FROM t")
    scope = db.scope(allow=only("v"), opens=lambda name: name == V, caller="ann")
    return replace(scope, known=scope.state.catalog.without_table(t.name))


def rows(db: Database, scope: QueryScope, sql: str) -> int:
    return db.queries.collect(db.queries.plan(sql, scope), lambda: False).num_rows


def test_a_view_that_opens_shows_what_its_caller_does_not_know(db: Database, scope: QueryScope):
    assert rows(db, scope, "SELECT * FROM v") == 2
    for sql in (
        "SELECT * FROM t",
        'SELECT * FROM "_frostline_rows_t"',
        'SELECT * FROM "_frostline_v1_t"',
        "SELECT * FROM v JOIN t USING (id)",
    ):
        with pytest.raises(NotFound, match="does not exist"):
            rows(db, scope, sql)


def test_a_view_within_one_that_opens_is_open_too(db: Database, scope: QueryScope):
    db.view("w", "SELECT id FROM v")
    outer = db.scope(allow=only("w"), opens=lambda name: name.table == "w", caller="ann")
    assert rows(db, outer, "SELECT * FROM w") == 2


def test_a_view_that_does_not_open_is_read_with_the_callers_rights(db: Database, scope: QueryScope):
    closed = replace(scope, opens=lambda _: False, caller="bob")
    with pytest.raises(NotFound, match=r"public\.t"):
        rows(db, closed, "SELECT * FROM v")
    with pytest.raises(PermissionDenied, match=r"no public\.t"):
        rows(db, replace(closed, known=None), "SELECT * FROM v")


def test_a_plan_that_was_made_for_one_caller_is_not_anothers(db: Database, scope: QueryScope):
    """Both may name v, but only for the first does it open t."""
    assert rows(db, scope, "SELECT * FROM v") == 2
    with pytest.raises(NotFound):
        rows(db, replace(scope, opens=lambda _: False, caller="bob"), "SELECT * FROM v")
