"""Comments on the columns of views: said, shown everywhere, kept, and taken away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_server.parser.text.quoting import literal
from storage.catalog.names import quoted
from tests.sql_end_to_end.definer import Definer, definer

COLUMNS = ("a", "B b", 'q"x', "é", "_c")
SAID = 'it\'s; "said" -- of '


@pytest.fixture
def d(tmp_path: Path) -> Iterator[Definer]:
    with definer(tmp_path) as opened:
        make_view(opened)
        yield opened


def make_view(d: Definer) -> None:
    listed = ", ".join(f"{n} AS {quoted(column)}" for n, column in enumerate(COLUMNS))
    d.do("CREATE TABLE t (a INT)", f"CREATE VIEW v AS SELECT {listed} FROM t")


def comment_on(d: Definer, view: str = "v") -> None:
    for column in COLUMNS:
        d.do(f"COMMENT ON COLUMN {view}.{quoted(column)} IS {literal(SAID + column)}")


def shown(d: Definer, view: str = "v") -> dict[str, str]:
    """What information_schema tells, which DESCRIBE tells, too."""
    found = d.rows(f"SELECT column_name, column_comment FROM information_schema.columns WHERE table_name = '{view}'")
    assert [(row[0], row[5]) for row in d.rows(f"DESCRIBE {view}")] == found
    assert d.rows(f"SHOW COLUMNS FROM {view}") == d.rows(f"DESCRIBE {view}")
    return {str(name): str(comment) for name, comment in found}


@pytest.mark.parametrize("view", ["v", "public.v", '"frostline"."public"."v"', "V"])
def test_each_column_of_a_view_has_its_comment(d: Definer, view: str) -> None:
    comment_on(d, view)
    assert shown(d) == {column: SAID + column for column in COLUMNS}
    d.do(f"COMMENT ON COLUMN {view}.a IS 'other'", f'COMMENT ON COLUMN {view}."B b" IS NULL')
    assert shown(d) == {column: SAID + column for column in COLUMNS} | {"a": "other", "B b": ""}


def test_comments_on_a_view_stay_with_it_and_with_the_database(d: Definer, tmp_path: Path) -> None:
    comment_on(d)
    d.do("COMMENT ON VIEW v IS 'whole'", "ALTER VIEW v RENAME TO w", "ALTER TABLE t ADD COLUMN b INT")
    before, created = shown(d, "w"), d.created("w")
    assert before == {column: SAID + column for column in COLUMNS}
    d.do("DROP VIEW w", *created.split(";\n"))
    assert (shown(d, "w"), d.created("w")) == (before, created)
    with definer(tmp_path / "other") as other:
        make_view(other)
        comment_on(other)
    with definer(tmp_path / "other") as again:
        assert shown(again) == before


def test_a_comment_on_a_view_is_taken_back_with_its_transaction(d: Definer) -> None:
    d.do("BEGIN", "CREATE VIEW fresh AS SELECT 1 AS one", "COMMENT ON COLUMN fresh.one IS 'uno'")
    d.do("COMMENT ON COLUMN v.a IS 'gone'")
    assert shown(d, "fresh") == {"one": "uno"}
    d.do("ROLLBACK")
    assert set(shown(d).values()) == {""}


def test_a_view_that_is_made_anew_has_no_comments(d: Definer) -> None:
    comment_on(d)
    d.do("CREATE OR REPLACE VIEW v AS SELECT 1 AS a")
    assert shown(d) == {"a": ""}


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("COMMENT ON COLUMN v.nothing IS 'x'", "42703"),
        ('COMMENT ON COLUMN v."A" IS NULL', "42703"),
        ("COMMENT ON COLUMN nothing.a IS 'x'", "42P01"),
        ("COMMENT ON COLUMN information_schema.tables.table_name IS 'x'", "42939"),
    ],
)
def test_what_is_not_there_has_no_comment(d: Definer, sql: str, sqlstate: str) -> None:
    assert d.sqlstate(sql) == sqlstate
