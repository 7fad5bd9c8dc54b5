"""Names: which table a statement means, who may read it, views, rows that come from elsewhere."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from storage.catalog.names import TableName
from storage.catalog.schema import TableDef
from storage.errors import InvalidRequest, NotFound, PermissionDenied
from tests.support.query_database import NOW_MS, Database, column, seq_at

ONE = pa.table({"x": [1]})
SYSTEM_THINGS = TableName("system", "things")


@pytest.fixture
def t(db: Database) -> TableDef:
    table = db.table("t", column("id", pa.int64()), column("name", pa.string()))
    db.hot(table, [seq_at(NOW_MS, 1), seq_at(NOW_MS, 2)], id=[1, 2], name=["a", "b"])
    return table


@pytest.mark.parametrize("name", ["t", "T", '"t"', "public.t", "frostline.public.t", 'FROSTLINE."public".t'])
def test_a_table_is_found_by_each_way_to_write_it(db: Database, t: TableDef, name: str):
    assert db.rows(f"SELECT count(*) FROM {name}") == [(2,)]


@pytest.mark.parametrize("name", ["nope", "public.nope", "nowhere.t", "frostline.public.nope", "other.public.t"])
def test_a_missing_table_is_not_found_and_named(db: Database, t: TableDef, name: str):
    with pytest.raises(NotFound, match=rf"'\S*{name.rpartition('.')[2]}' does not exist"):
        db.rows(f"SELECT * FROM {name}")


def test_permission_is_asked_once_for_each_table_also_behind_a_view(db: Database, t: TableDef):
    db.view("v", "SELECT id FROM t")
    asked: list[str] = []
    db.rows("SELECT * FROM v JOIN t USING (id) JOIN t t2 USING (id)", allow=lambda name: asked.append(str(name)))
    assert sorted(asked) == ["public.t", "public.t", "public.v"]  # once by the view, once by the statement


def test_a_refused_table_is_refused_with_our_own_error(db: Database, t: TableDef):
    def refuse(name: TableName) -> None:
        raise PermissionDenied(f"no SELECT on '{name}'")

    with pytest.raises(PermissionDenied, match=r"no SELECT on 'public\.t'"):
        db.rows("SELECT * FROM t", allow=refuse)


def test_extra_rows_hide_a_table_of_the_namespace_only_by_bare_name(db: Database, t: TableDef):
    assert db.rows("SELECT * FROM t", extra={"t": ONE}) == [(1,)]
    assert db.rows("SELECT * FROM excluded", extra={"excluded": ONE.to_batches()}) == [(1,)]
    assert db.rows("SELECT count(*) FROM e", extra={"e": ONE.slice(0, 0)}) == [(0,)]


def test_virtual_tables_are_computed_once_a_statement_and_only_when_named(db: Database, t: TableDef):
    calls: list[int] = []

    def things() -> pa.Table:
        calls.append(1)
        return ONE

    scope: dict[str, Any] = {"virtual": {SYSTEM_THINGS: things}}
    db.rows("SELECT * FROM t", **scope)
    assert calls == []
    assert db.rows("SELECT a.x + b.x FROM system.things a, system.things b", **scope) == [(2,)]
    assert calls == [1]


def test_a_virtual_table_may_itself_run_a_query(db: Database, t: TableDef):
    scope: dict[str, Any] = {"virtual": {SYSTEM_THINGS: lambda: db.ask("SELECT count(*) AS n FROM t")}}
    assert db.rows("SELECT n FROM system.things", **scope) == [(2,)]


def test_an_error_of_a_virtual_table_is_passed_on(db: Database):
    def fail() -> pa.Table:
        raise InvalidRequest("not today")

    with pytest.raises(InvalidRequest, match="not today"):
        db.rows("SELECT * FROM system.things", virtual={SYSTEM_THINGS: fail})


def test_views_show_their_select_and_can_be_nested(db: Database, t: TableDef):
    db.view("v", "SELECT id * 10 AS ten, name FROM t")
    db.view("w", "SELECT max(ten) AS most FROM v")
    assert db.rows("SELECT most, ten FROM w, v ORDER BY ten") == [(20, 10), (20, 20)]


def test_names_in_a_view_are_looked_up_in_the_views_own_namespace(db: Database, t: TableDef):
    db.view("v", "SELECT name FROM t")
    assert db.rows("SELECT * FROM public.v ORDER BY 1", namespace="elsewhere") == [("a",), ("b",)]
    assert db.rows("SELECT * FROM v ORDER BY 1", extra={"t": ONE}) == [("a",), ("b",)]


def test_system_columns_of_a_view_are_those_that_its_text_names(db: Database, t: TableDef):
    db.view("v", "SELECT *, _seq AS version FROM t")
    assert db.ask("SELECT * FROM v").column_names == ["id", "name", "_seq", "_updated", "_deleted", "version"]


def test_a_view_that_names_itself_through_others_is_an_error(db: Database):
    db.view("a", "SELECT * FROM b")
    db.view("b", "SELECT * FROM a")
    with pytest.raises(InvalidRequest, match=r"'public\.a' names itself \(public\.a -> public\.b -> public\.a\)"):
        db.rows("SELECT * FROM a")


def test_views_nested_beyond_the_limit_are_an_error(db: Database, t: TableDef):
    db.view("v0", "SELECT * FROM t")
    for depth in range(1, 40):
        db.view(f"v{depth}", f"SELECT * FROM v{depth - 1}")
    assert db.rows("SELECT count(*) FROM v31") == [(2,)]
    with pytest.raises(InvalidRequest, match="nested more than 32 deep"):
        db.rows("SELECT * FROM v39")


def test_a_view_has_no_versions(db: Database, t: TableDef):
    db.view("v", "SELECT * FROM t")
    with pytest.raises(NotFound, match="only tables have versions"):
        db.rows('SELECT * FROM "_frostline_v5_v"')


def test_a_view_of_an_older_server_says_versions_in_its_own_way(db: Database, t: TableDef):
    db.view("old", f'SELECT id FROM "t@v{seq_at(NOW_MS, 99)}"')
    assert db.rows("SELECT count(*) FROM old") == [(2,)]
    with pytest.raises(NotFound, match=r"t@v5"):
        db.rows('SELECT * FROM "t@v5"')


def test_common_table_expressions_hide_tables(db: Database, t: TableDef):
    assert db.rows("WITH t AS (SELECT 5 AS id) SELECT id FROM t") == [(5,)]
