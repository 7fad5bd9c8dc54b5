"""DROP .. CASCADE takes the views that read what is dropped, and no others; RESTRICT refuses; ALTER VIEW renames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sql_end_to_end.definer import Definer, definer

# View -> its text, and whether it reads public.t.
VIEWS = {
    "plain": ("SELECT a FROM t", True),
    "qualified": ("SELECT x.a FROM frostline.public.t AS x", True),
    "quoted": ('SELECT * FROM "public"."t"', True),
    "upper": ("SELECT * FROM T", True),
    "over": ("SELECT count(*) AS n FROM plain", True),
    "far": ("SELECT n FROM over", True),
    "sub": ("SELECT a FROM s WHERE a IN (SELECT a FROM t)", True),
    "joined": ("SELECT s.a FROM s JOIN t ON s.a = t.a", True),
    "common": ("WITH c AS (SELECT a FROM t) SELECT a FROM c", True),
    "united": ("SELECT a FROM s UNION ALL SELECT a FROM t", True),
    "column": ("SELECT a AS t FROM s", False),
    "shadowed": ("WITH t AS (SELECT a FROM s) SELECT a FROM t", False),
    "text": ("SELECT 't' AS a, \"a\" AS b FROM s -- t", False),
    "alias": ("SELECT t.a FROM s AS t", False),
    "other_namespace": ("SELECT a FROM n.t", False),
    "big": ('SELECT a FROM "T"', False),
}
READING = {name for name, (_, reads) in VIEWS.items() if reads}


@pytest.fixture
def d(tmp_path: Path) -> Iterator[Definer]:
    with definer(tmp_path) as opened:
        opened.do("CREATE NAMESPACE n")
        opened.do(*(f"CREATE TABLE {name} (a INT, b INT)" for name in ("t", "s", "n.t", '"T"')))
        opened.do(*(f"CREATE VIEW {name} AS {text}" for name, (text, _) in VIEWS.items()))
        yield opened


@pytest.mark.parametrize("exists", ["", "IF EXISTS "])
@pytest.mark.parametrize("begun", [False, True])
def test_cascade_takes_the_views_that_read_a_table_and_no_others(d: Definer, exists: str, begun: bool) -> None:
    before = d.names()
    if begun:
        d.do("BEGIN")
    d.do(f"DROP TABLE {exists}t CASCADE")
    assert before - d.names() == {"t", *READING}
    if begun:
        d.do("ROLLBACK")
        assert d.names() == before


def test_cascade_is_one_commit(d: Definer) -> None:
    before = d.house.engine.state.last_seq
    d.do("DROP TABLE t CASCADE")
    assert d.house.engine.state.last_seq - before == 1


def test_a_view_takes_the_views_over_it(d: Definer) -> None:
    before = d.names()
    assert d.sqlstate("DROP VIEW plain RESTRICT") == "2BP01"
    d.do("DROP VIEW IF EXISTS plain CASCADE")
    assert before - d.names() == {"plain", "over", "far"}


def test_restrict_names_what_is_in_the_way_and_nothing_said_leaves_it(d: Definer) -> None:
    refused = d.refusal("DROP TABLE t RESTRICT")
    assert refused.sqlstate == "2BP01"
    assert all(f"view 'public.{name}'" in refused.message for name in sorted(READING)[:10])
    before = d.names()
    d.do("DROP TABLE t")
    assert before - d.names() == {"t"}
    d.do("DROP VIEW column RESTRICT", 'DROP TABLE "T" CASCADE', "DROP TABLE IF EXISTS nothing CASCADE")
    assert "big" not in d.names()


def test_views_that_no_longer_work_are_found_too(d: Definer) -> None:
    d.do("CREATE TABLE soon (a INT)", "CREATE VIEW broken AS SELECT t.a FROM t JOIN soon ON t.a = soon.a")
    d.do("CREATE VIEW over_broken AS SELECT a FROM broken", "DROP TABLE soon", "DROP TABLE t CASCADE")
    assert not {"broken", "over_broken"} & d.names()


def test_kinds_are_not_mixed_up(d: Definer) -> None:
    assert d.sqlstate("DROP TABLE plain CASCADE") == "42809"
    assert d.sqlstate("DROP VIEW t CASCADE") == "42809"
    assert d.sqlstate("DROP TABLE nothing CASCADE") == "42P01"
    assert "plain" in d.names()


def test_a_column_takes_the_views_that_no_longer_work_without_it(d: Definer) -> None:
    d.do("CREATE VIEW of_b AS SELECT b FROM t", "CREATE VIEW over_b AS SELECT * FROM of_b")
    before = d.names()
    refused = d.refusal("ALTER TABLE t DROP COLUMN b RESTRICT")
    assert refused.sqlstate == "2BP01"
    assert "view 'public.of_b', view 'public.over_b';" in refused.message
    assert d.names() == before
    assert d.rows("SELECT b FROM t") == []
    d.do("ALTER TABLE s DROP COLUMN IF EXISTS b RESTRICT", "ALTER TABLE t DROP COLUMN b CASCADE")
    assert before - d.names() == {"of_b", "over_b"}
    assert d.rows("SELECT * FROM quoted") == []


def test_a_renamed_view_keeps_comment_and_grants(d: Definer) -> None:
    d.do("CREATE USER 'ann'", "COMMENT ON VIEW plain IS 'said'", "GRANT SELECT ON plain TO 'ann'")
    d.do("ALTER VIEW plain RENAME TO renamed", 'ALTER VIEW public.renamed RENAME TO "Again"')
    d.do('ALTER TABLE "Again" RENAME TO last')
    assert "plain" not in d.names()
    assert d.value("SELECT comment FROM system.tables WHERE \"table\" = 'last'") == "said"
    assert [row[:3] for row in d.rows("SHOW GRANTS FOR 'ann'")] == [("ann", "public", "last")]
    actions = d.rows("SELECT action FROM system.audit_log WHERE object = 'public.plain'")
    assert ("ALTER VIEW",) in actions


def test_a_view_is_renamed_to_a_free_name_only(d: Definer) -> None:
    for taken in ("t", "over", '"T"'):
        assert d.sqlstate(f"ALTER VIEW plain RENAME TO {taken}") == "42P07"
    assert d.sqlstate("ALTER VIEW t RENAME TO u") == "42809"
    assert d.sqlstate("ALTER VIEW nothing RENAME TO u") == "42P01"
    assert d.sqlstate('ALTER VIEW plain RENAME TO ""') == "42602"
    assert d.sqlstate("ALTER VIEW system.tables RENAME TO u") == "42939"
    d.do("ALTER VIEW IF EXISTS nothing RENAME TO u", "DROP TABLE t")
    assert d.sqlstate("ALTER VIEW plain RENAME TO t") == "42P19"
    assert {"plain", "over"} <= d.names()


def test_a_view_is_made_only_if_there_is_none(d: Definer) -> None:
    d.do("CREATE VIEW IF NOT EXISTS plain AS SELECT 5 AS five", "CREATE VIEW IF NOT EXISTS fresh AS SELECT 6 AS six")
    assert d.rows("SELECT * FROM plain") == []
    assert d.value("SELECT * FROM fresh") == 6
    assert d.sqlstate("CREATE OR REPLACE VIEW IF NOT EXISTS fresh AS SELECT 7 AS six") == "42601"
