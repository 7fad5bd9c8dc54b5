"""Tables and columns with their namespace before them, as tools write them: the same answers as without."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlglot import exp

from flight_server.query import QueryEngine
from flight_server.rewrite.tree.dialect import Tree, read, written
from flight_server.rewrite.tree.names import folded, identifier
from storage.errors import FrostlineError
from tests.query.engine_fault_cases import CASES, TABLES, Case, answer
from tests.query.states import in_state, sorted_rows


def in_full(sql: str) -> str:
    """`FROM a .. a.id` as `FROM public.a .. public.a.id`, but for tables that have an alias."""
    tree: Tree = read(sql)
    common = {folded(table.args["alias"].this) for table in tree.find_all(exp.CTE)}
    tables = [t for t in tree.find_all(exp.Table) if isinstance(t.this, exp.Identifier) and t.name not in common]
    aliases = {folded(table.args["alias"].this) for table in tables if table.args.get("alias")}
    for table in tables:
        table.set("db", identifier("public"))
    plain = {table.name for table in tables if not table.args.get("alias")} - aliases
    for column in tree.find_all(exp.Column):
        if column.table in plain:
            column.set("db", identifier("public"))
    return written(tree)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fault}: {case.sql[:60]}")
def test_an_answer_is_right_with_names_in_full(queries: QueryEngine, directory: Path, case: Case):
    full = Case(case.fault, in_full(case.sql), case.right)
    assert answer(full, "mixed", queries, directory / "cold") == sorted_rows(case.right)


@pytest.mark.parametrize(
    ("sql", "right"),
    [
        ("SELECT public.a.id, row_number() OVER (ORDER BY (SELECT NULL), public.a.id) FROM public.a", [(1, 1), (2, 2)]),
        ("SELECT public.f.* FROM public.f WHERE public.f.id = 4 ORDER BY public.f.d", [(5, 4, 1.5)]),
        ("SELECT public.a.id FROM public.a WHERE EXISTS (SELECT 1 FROM b AS a WHERE a.id = public.a.id)", [(2,)]),
        ("SELECT max(public.f.d) AS m FROM public.f GROUP BY public.f.g HAVING public.f.g = 7", [(0.0,)]),
    ],
)
def test_columns_of_a_namespace_are_known(queries: QueryEngine, directory: Path, sql: str, right: list[tuple[object]]):
    database = in_state("mixed", queries, directory / "cold", TABLES, a=("id",))
    found = database.ask(sql)
    assert sorted_rows(list(zip(*(c.to_pylist() for c in found.columns), strict=True))) == sorted_rows(right)


def test_a_column_of_another_namespace_is_not_there(queries: QueryEngine, directory: Path):
    database = in_state("mixed", queries, directory / "cold", TABLES, a=("id",))
    with pytest.raises(FrostlineError, match="other"):
        database.ask("SELECT other.a.id FROM public.a ORDER BY other.a.id + 1")
