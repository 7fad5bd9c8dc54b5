"""User tables: one name, and for each user their own rows, whatever the statement and whatever the role."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
import pytest

from tests.support.crowd import Crowd
from tests.support.in_process import House
from tests.support.local_people import LocalUser


@pytest.fixture(scope="module")
def crowd(home: House) -> Crowd:
    return Crowd(partial(LocalUser, home))


def shown(crowd: Crowd, sql: str) -> dict[str, list[tuple]]:
    return {who: client.rows(sql) for who, client in crowd.everybody.items()}


def all_alike(crowd: Crowd, sql: str, *rows: tuple) -> None:
    """Everybody is shown these rows, `ME` standing for their name."""
    for who, found in shown(crowd, sql).items():
        assert found == [tuple(who if value == "ME" else value for value in row) for row in rows], who


# --- changes ---------------------------------------------------------------------------------------------------------


def test_everybody_has_the_same_table_and_other_rows(crowd: Crowd) -> None:
    crowd.filled("basic")
    all_alike(crowd, "SELECT * FROM basic ORDER BY id", (1, "ME"), (2, "ME"))
    all_alike(crowd, "SELECT count(*), min(t), max(t) FROM basic", (2, "ME", "ME"))
    all_alike(crowd, "SELECT t FROM basic WHERE id = 2", ("ME",))
    assert crowd.root.rows("SELECT * FROM basic") == []
    for client in crowd.everybody.values():
        assert client.rows("SELECT t FROM basic WHERE id = ?", (2,)) == client.rows("SELECT t FROM basic WHERE id = 1")


def test_a_change_meets_the_callers_rows_only(crowd: Crowd) -> None:
    ann, bob = crowd.ann, crowd.bob
    crowd.filled("changed")
    assert ann.do("UPDATE changed SET t = 'new' WHERE id >= 1") == 2
    assert ann.do("DELETE FROM changed WHERE id = 2") == 1
    assert ann.rows("INSERT INTO changed VALUES (7, 'x') RETURNING id, t") == [(7, "x")]
    assert ann.rows("UPDATE changed SET t = t || '!' RETURNING id, t") == [(1, "new!"), (7, "x!")]
    assert bob.rows("DELETE FROM changed WHERE id = 1 RETURNING t") == [("bob",)]
    assert ann.do("TRUNCATE changed") == 2
    assert [ann.value("SELECT count(*) FROM changed"), bob.value("SELECT count(*) FROM changed")] == [0, 1]
    assert crowd.sam.rows("SELECT * FROM changed ORDER BY id") == [(1, "sam"), (2, "sam")]


def test_upserts_and_merges_meet_the_callers_keys_only(crowd: Crowd) -> None:
    ann, bob = crowd.ann, crowd.bob
    crowd.root.do("CREATE USER TABLE merged (id INT PRIMARY KEY, t TEXT)")
    ann.do("INSERT INTO merged VALUES (1, 'ann')")
    assert bob.do("INSERT INTO merged VALUES (1, 'bob') ON CONFLICT (id) DO UPDATE SET t = 'taken'") == 1
    assert ann.do("INSERT INTO merged VALUES (1, 'two') ON CONFLICT (id) DO UPDATE SET t = merged.t || excluded.t") == 1
    assert bob.do("INSERT INTO merged VALUES (1, 'x'), (2, 'y') ON CONFLICT DO NOTHING") == 1
    merge = (
        "MERGE INTO merged USING (VALUES (1, 'm'), (2, 'm'), (3, 'm')) AS s (id, t) ON merged.id = s.id "
        "WHEN MATCHED THEN UPDATE SET t = merged.t || s.t WHEN NOT MATCHED THEN INSERT (id, t) VALUES (s.id, s.t)"
    )
    assert (ann.do(merge), bob.do(merge)) == (3, 3)
    assert ann.rows("SELECT * FROM merged ORDER BY id") == [(1, "anntwom"), (2, "m"), (3, "m")]
    assert bob.rows("SELECT * FROM merged ORDER BY id") == [(1, "bobm"), (2, "ym"), (3, "m")]


def test_a_primary_key_is_one_users(crowd: Crowd) -> None:
    crowd.filled("keyed")
    refused = crowd.ann.refusal("INSERT INTO keyed VALUES (2, 'again')")
    assert refused.sqlstate == "23505"
    assert crowd.bob.do("DELETE FROM keyed WHERE id = 2") == 1
    assert crowd.bob.do("INSERT INTO keyed VALUES (2, 'again')") == 1
    assert crowd.ann.sqlstate("INSERT INTO keyed VALUES (2, 'again')") == "23505"


def test_many_bound_rows_and_ingested_ones_are_the_callers(crowd: Crowd) -> None:
    crowd.root.do("CREATE USER TABLE loaded (id INT PRIMARY KEY, t TEXT)")
    rows = pa.table({"id": pa.array([10, 11], pa.int32()), "t": ["in", "gest"]})
    for client in (crowd.ann, crowd.bob):
        assert client.do_many("INSERT INTO loaded VALUES (?, ?)", [(i, "b") for i in range(5)]) == 5
        assert client.ingest("loaded", rows, mode="append") == 2
        assert client.do_many("DELETE FROM loaded WHERE id = ?", [(0,), (1,)]) == 2
    assert crowd.ann.do_many("UPDATE loaded SET t = ? WHERE id = ?", [("mine", 2), ("mine", 3)]) == 2
    assert crowd.bob.rows("SELECT * FROM loaded ORDER BY id")[:2] == [(2, "b"), (3, "b")]
    assert crowd.ann.rows("SELECT id FROM loaded WHERE t = 'mine' ORDER BY id") == [(2,), (3,)]
    assert crowd.sam.value("SELECT count(*) FROM loaded") == 0


# --- questions -------------------------------------------------------------------------------------------------------


ONE_TWO = [("one",), ("two",)]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT a.id, b.t FROM asked a JOIN asked b ON a.id = b.id ORDER BY 1", [(1, "ME"), (2, "ME")]),
        ("SELECT w.word, a.t FROM asked a JOIN words w ON w.id = a.id ORDER BY 1", [("one", "ME"), ("two", "ME")]),
        ("SELECT a.t, o.t AS u FROM asked a, others o WHERE a.id = o.id AND o.id = 1", [("ME", "ME")]),
        ("SELECT a.t, e.n FROM asked a JOIN events e ON e.n = a.id ORDER BY n", [("ME", 1), ("ME", 2)]),
        ("WITH x AS (SELECT t, id FROM asked) SELECT t FROM x WHERE id IN (SELECT id FROM words) LIMIT 1", [("ME",)]),
        (
            "SELECT word FROM words w WHERE EXISTS (SELECT 1 FROM asked a WHERE a.id = w.id) ORDER BY 1",
            ONE_TWO,
        ),
        ("SELECT (SELECT max(t) FROM asked) AS m", [("ME",)]),
        ("SELECT t FROM asked UNION SELECT t FROM others", [("ME",)]),
        ("SELECT t, n FROM seen ORDER BY n", [("ME", 1), ("ME", 2)]),
        ("SELECT word FROM words WHERE id IN (SELECT n FROM seen) ORDER BY 1", ONE_TWO),
        ("SELECT t, row_number() OVER (ORDER BY id) AS r FROM asked ORDER BY id LIMIT 1", [("ME", 1)]),
        ("SELECT count(*) AS n FROM asked WHERE _deleted", [(0,)]),
    ],
)
def test_questions_of_every_form_are_answered_with_the_callers_rows(
    crowd: Crowd, asked: None, sql: str, rows: list[tuple]
) -> None:
    all_alike(crowd, sql, *rows)
    crowd.root.flush("asked")
    all_alike(crowd, sql, *rows)


@pytest.fixture(scope="module")
def asked(crowd: Crowd) -> None:
    """User tables, a shared and a stream table, and a view over a user table which nobody but the dba may look into."""
    crowd.filled("asked")
    crowd.filled("others")
    crowd.root.do(
        "CREATE TABLE words (id INT, word TEXT) WITH (access_level = 'public'); "
        "INSERT INTO words VALUES (1, 'one'), (2, 'two'), (3, 'three'); "
        "CREATE STREAM TABLE events (n INT) WITH (retention = '1d', access_level = 'public'); "
        "INSERT INTO events VALUES (1), (2), (3)"
    )
    crowd.dora.do("CREATE VIEW seen AS SELECT t, id AS n FROM asked")
    crowd.root.do(f"GRANT SELECT ON seen TO '{crowd.name('ann')}', '{crowd.name('bob')}'")


def test_a_plan_counts_the_callers_rows(crowd: Crowd) -> None:
    crowd.filled("planned")
    crowd.bob.do("INSERT INTO planned VALUES (3, 'bob'), (4, 'bob'), (5, 'secret of bob')")
    for flushed in (False, True):
        if flushed:
            crowd.root.flush("planned")
        sql = "EXPLAIN ANALYZE SELECT count(t), max(t) FROM planned WHERE t > 'a'"
        plans = {who: str(client.rows(sql)) for who, client in crowd.everybody.items()}
        assert "secret" not in plans["ann"] + plans["sam"] + plans["dora"]
        for who, plan in plans.items():
            assert not any(f"/{crowd.name(other)}/" in plan for other in plans if other != who)
            assert ("output_rows=5" in plan) == (who == "bob")


def test_versions_and_the_past_are_the_callers(crowd: Crowd) -> None:
    crowd.filled("past")
    ann, bob = crowd.ann, crowd.bob
    before = {who: client.value("SELECT max(_seq) FROM past") for who, client in crowd.everybody.items()}
    ann.do("UPDATE past SET t = 'new' WHERE id = 1")
    bob.do("DELETE FROM past")
    for moved in (lambda: None, lambda: crowd.root.flush("past"), lambda: crowd.root.compact("past")):
        moved()
        assert ann.rows("SELECT t FROM past WHERE _deleted") == [("ann",)]
        assert bob.rows("SELECT t FROM past WHERE _deleted") == [("bob",), ("bob",)]
        assert crowd.sam.rows("SELECT t FROM past WHERE _deleted") == []
        for who in ("ann", "bob"):
            sql = f"SELECT id, t FROM past AS OF VERSION {max(before.values())} ORDER BY id"
            assert crowd.everybody[who].rows(sql) == [(1, who), (2, who)]
        assert ann.rows(f"SELECT t FROM past WHERE _seq > {before['dora']}") == [("new",)]
        assert bob.value(f"SELECT count(*) FROM past WHERE _seq > {before['ann']}") == 0


# --- transactions ----------------------------------------------------------------------------------------------------


def test_transactions_and_savepoints_are_over_the_callers_rows(crowd: Crowd) -> None:
    crowd.filled("transacted")
    ann, bob = crowd.ann, crowd.bob
    ann.do("BEGIN; INSERT INTO transacted VALUES (3, 'ann'); SAVEPOINT s; DELETE FROM transacted WHERE id <= 2")
    bob.do("DELETE FROM transacted WHERE id = 1")
    assert ann.rows("SELECT id FROM transacted") == [(3,)]
    ann.do("ROLLBACK TO SAVEPOINT s; UPDATE transacted SET t = 'both' WHERE id = 1; COMMIT")
    assert ann.rows("SELECT * FROM transacted ORDER BY id") == [(1, "both"), (2, "ann"), (3, "ann")]
    assert bob.rows("SELECT * FROM transacted") == [(2, "bob")]


def test_two_transactions_of_one_user_conflict_and_those_of_two_do_not(crowd: Crowd) -> None:
    crowd.filled("contested")
    ann, again, bob = crowd.ann, crowd.connect("ann"), crowd.bob
    for client in (ann, again, bob):
        client.do("BEGIN")
        client.rows("SELECT count(*) FROM contested")
    ann.do("UPDATE contested SET t = 'first' WHERE id = 1; COMMIT")
    bob.do("UPDATE contested SET t = 'first' WHERE id = 1; COMMIT")
    assert again.sqlstate("UPDATE contested SET t = 'second' WHERE id = 1") == "40001"
    again.do("ROLLBACK")
    assert ann.value("SELECT t FROM contested WHERE id = 1") == "first"


def test_execute_as_meets_the_rows_of_who_is_named(crowd: Crowd) -> None:
    crowd.filled("acted")
    sam, act = crowd.sam, crowd.as_user
    assert sam.rows(act("ann", "SELECT t FROM acted WHERE id = 1")) == [("ann",)]
    assert sam.do(act("ann", "INSERT INTO acted VALUES (3, 'by sam')")) == 1
    assert sam.do(act("ann", "UPDATE acted SET t = ? WHERE id = 1"), ("bound",)) == 1
    assert sam.rows(act("bob", "SELECT id, t FROM acted ORDER BY id")) == [(1, "bob"), (2, "bob")]
    assert sam.rows("SELECT id, t FROM acted ORDER BY id") == [(1, "sam"), (2, "sam")]
    assert crowd.ann.rows("SELECT * FROM acted ORDER BY id") == [(1, "bound"), (2, "ann"), (3, "by sam")]
    as_user = "EXECUTE AS"
    recorded = f"SELECT count(*) FROM system.audit_log WHERE action = '{as_user}' AND as_user = '{crowd.name('ann')}'"
    assert crowd.dora.value(recorded) == 3


def test_in_one_transaction_several_users_rows_stay_apart(crowd: Crowd) -> None:
    crowd.filled("mixed")
    sam, act = crowd.sam, crowd.as_user
    count = "SELECT count(*) FROM mixed"
    for end, more in (("ROLLBACK", 0), ("COMMIT", 1)):
        sam.do("BEGIN; INSERT INTO mixed VALUES (3, 'sam')")
        sam.do(act("ann", "INSERT INTO mixed VALUES (3, 'ann')"))
        sam.do("SAVEPOINT s")
        sam.do(act("bob", "DELETE FROM mixed"))
        assert [sam.value(act(who, count)) for who in ("ann", "bob")] == [3, 0]
        sam.do("ROLLBACK TO SAVEPOINT s")
        assert [sam.value(act(who, count)) for who in ("ann", "bob")] == [3, 2]
        assert sam.value(count) == 3
        assert (crowd.ann.value(count), crowd.bob.value(count)) == (2, 2)
        sam.do(end)
        assert [c.value(count) for c in (crowd.ann, crowd.bob, sam)] == [2 + more, 2, 2 + more]
    assert crowd.ann.rows("SELECT DISTINCT t FROM mixed") == [("ann",)]


# --- definitions -----------------------------------------------------------------------------------------------------


def test_columns_change_for_everybody_hot_and_cold(crowd: Crowd) -> None:
    crowd.filled("altered", "id INT PRIMARY KEY, t TEXT, n INT DEFAULT 1")
    crowd.root.flush("altered")
    crowd.ann.do("INSERT INTO altered VALUES (3, 'ann', 3)")
    crowd.dora.do("ALTER TABLE altered ADD COLUMN plus TEXT DEFAULT 'p'")
    crowd.bob.do("INSERT INTO altered (id, t) VALUES (4, 'bob')")
    crowd.dora.do("ALTER TABLE altered RENAME COLUMN t TO text; ALTER TABLE altered ALTER COLUMN n TYPE BIGINT")
    assert crowd.ann.rows("SELECT * FROM altered ORDER BY id") == [
        (1, "ann", 1, "p"),
        (2, "ann", 1, "p"),
        (3, "ann", 3, "p"),
    ]
    crowd.dora.do("ALTER TABLE altered DROP COLUMN plus; ALTER TABLE altered RENAME TO renamed")
    assert crowd.bob.rows("SELECT id, text FROM renamed ORDER BY id") == [(1, "bob"), (2, "bob"), (4, "bob")]
    assert crowd.bob.do("UPDATE renamed SET n = 5000000000 WHERE id = 1") == 1
    crowd.root.flush("renamed")
    crowd.root.compact("renamed")
    assert crowd.bob.rows("SELECT n FROM renamed ORDER BY id") == [(5_000_000_000,), (1,), (1,)]


def test_not_null_is_refused_while_anybody_has_nulls(crowd: Crowd) -> None:
    crowd.filled("nullable", "id INT PRIMARY KEY, t TEXT, n INT")
    for client in crowd.everybody.values():
        client.do("UPDATE nullable SET n = id")
    crowd.bob.do("UPDATE nullable SET n = NULL WHERE id = 2")
    for moved in (lambda: None, lambda: crowd.root.flush("nullable")):
        moved()
        refused = crowd.dora.refusal("ALTER TABLE nullable ALTER COLUMN n SET NOT NULL")
        assert (refused.sqlstate, "bob" in refused.message) == ("23502", False)
    assert crowd.dora.sqlstate("ALTER TABLE nullable ADD COLUMN m INT NOT NULL") == "23502"
    crowd.bob.do("UPDATE nullable SET n = 0 WHERE id = 2")
    crowd.dora.do("ALTER TABLE nullable ALTER COLUMN n SET NOT NULL")
    assert crowd.ann.sqlstate("UPDATE nullable SET n = NULL") == "23502"


def test_a_dropped_or_replaced_table_takes_everybodys_rows(crowd: Crowd) -> None:
    crowd.filled("short")
    crowd.root.flush("short")
    crowd.ann.do("INSERT INTO short VALUES (3, 'hot')")
    crowd.dora.do("CREATE OR REPLACE USER TABLE short (id INT PRIMARY KEY, t TEXT)")
    all_alike(crowd, "SELECT count(*) FROM short", (0,))
    crowd.ann.do("INSERT INTO short VALUES (1, 'new')")
    assert crowd.dora.sqlstate("DROP STREAM TABLE short") == "42809"
    crowd.dora.do("DROP USER TABLE short")
    assert crowd.ann.sqlstate("SELECT * FROM short") == "42P01"
    crowd.filled("short")
    all_alike(crowd, "SELECT * FROM short WHERE id = 1", (1, "ME"))


def test_a_user_defines_nothing_and_needs_no_grant(crowd: Crowd) -> None:
    crowd.filled("given")
    ann = crowd.ann
    for sql in ("DROP TABLE given", "ALTER TABLE given ADD COLUMN x INT", "CREATE USER TABLE own (a INT)"):
        assert ann.sqlstate(sql) == "42501", sql
    crowd.dora.do(f"GRANT SELECT ON given TO '{crowd.name('ann')}'")
    assert ann.rows("SELECT t FROM given WHERE id = 1") == [("ann",)]
    crowd.dora.do(f"REVOKE ALL ON given FROM '{crowd.name('ann')}'")
    assert ann.do("UPDATE given SET t = 'still'") == 2
    assert crowd.dora.sqlstate("CREATE USER TABLE level (a INT) WITH (access_level = 'public')") == "22023"


# --- facts -----------------------------------------------------------------------------------------------------------


def test_facts_about_a_user_table_are_those_of_the_callers_rows(crowd: Crowd) -> None:
    crowd.filled("facts")
    crowd.root.flush("facts")
    crowd.ann.do("INSERT INTO facts VALUES (3, 'ann')")
    crowd.bob.do("DELETE FROM facts WHERE id = 1")
    where = f"WHERE namespace = '{crowd.namespace}' AND \"table\" = 'facts'"
    seen = {
        who: (
            client.value(f"SELECT rows FROM system.tables {where}"),
            client.rows(f"SELECT rows, hot_rows, deleted_versions FROM system.partitions {where}"),
            [crowd.name(who) in path for (path,) in client.rows(f"SELECT path FROM system.cold_files {where}")],
            client.rows(
                f"SELECT rows FROM system.column_stats {where} AND \"column\" = 't' AND min = '{who}' AND max = '{who}'"
            ),
            dict(client.rows("SHOW STATS FOR TABLE facts"))["rows"],
        )
        for who, client in crowd.everybody.items()
    }
    assert seen == {
        "ann": (3, [(3, 1, 0)], [True], [(2,)], 3),
        "bob": (1, [(1, 0, 1)], [True], [(2,)], 1),
        "sam": (2, [(2, 0, 0)], [True], [(2,)], 2),
        "dora": (2, [(2, 0, 0)], [True], [(2,)], 2),
    }


def test_what_a_new_user_sees_is_empty(crowd: Crowd) -> None:
    crowd.filled("visited")
    name = f"new{crowd.number}"
    crowd.root.do(f"CREATE USER '{name}' WITH PASSWORD 'x'")
    new = crowd.visitor(name)
    assert new.rows(f"SELECT * FROM {crowd.namespace}.visited") == []
    assert new.do(f"UPDATE {crowd.namespace}.visited SET t = 'x'") == 0
