"""'9999-12-31' for "for ever", and years before 1678, through every kind of statement, hot and cold, over ADBC."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from tests.support.sql_client import Client

EVER = dt.datetime.fromisoformat("9999-12-31 00:00:00")
ONCE = dt.datetime.fromisoformat("0001-01-01 00:00:00")
NEAR = dt.datetime.fromisoformat("2026-01-31 12:00:00")


@pytest.fixture(params=["hot", "cold", "mixed"])
def t(client: Client, request: pytest.FixtureRequest) -> Client:
    client.do(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, since TIMESTAMP, day DATE, "
        "until TIMESTAMP DEFAULT TIMESTAMP '9999-12-31 00:00:00', "
        "at TIMESTAMP WITH TIME ZONE, s TIMESTAMP(0), ms TIMESTAMP(3))"
    )
    client.do(
        "INSERT INTO t VALUES (1, TIMESTAMP '0001-01-01 00:00:00', '9999-12-31', DEFAULT,"
        " TIMESTAMP '9999-12-31 00:00:00Z', TIMESTAMP '9999-12-31 00:00:00', TIMESTAMP '0001-01-01 00:00:00')"
    )
    if request.param == "mixed":
        client.flush("t")
    client.do(
        "INSERT INTO t (id, since, day) SELECT 2, CAST(DATE '2026-01-31' AS TIMESTAMP) + INTERVAL '12 hours',"
        " CAST(TIMESTAMP '2026-01-31 12:00:00' AS DATE)"
    )
    if request.param == "cold":
        client.flush("t")
    return client


def test_values_selects_and_defaults_hold_far_times(t: Client) -> None:
    assert t.rows("SELECT since, until, day, s, ms FROM t ORDER BY id") == [
        (ONCE, EVER, EVER.date(), EVER, ONCE),
        (NEAR, EVER, NEAR.date(), None, None),
    ]
    assert t.rows("SELECT at FROM t WHERE id = 1") == [(EVER.replace(tzinfo=dt.UTC),)]


@pytest.mark.parametrize(
    "condition",
    [
        "until = TIMESTAMP '9999-12-31 00:00:00'",
        "until = '9999-12-31'",
        "until > now() AND day > since",
        "until BETWEEN '2000-01-01' AND '9999-12-31'",
        "until IN ('2000-01-01', '9999-12-31')",
        "coalesce(at, until) > current_timestamp",
        "date_trunc('year', until) = '9999-01-01'",
    ],
)
def test_changes_find_their_rows_by_far_times(t: Client, condition: str) -> None:
    found = len(t.rows(f"SELECT id FROM t WHERE {condition}"))
    assert found == (1 if "day" in condition else 2)
    assert t.do(f"UPDATE t SET until = TIMESTAMP '9998-01-01 00:00:00' WHERE {condition}") == found
    assert t.do("DELETE FROM t WHERE until < DATE '9999-01-01' AND until >= '9998-01-01'") == found


def test_merge_and_upsert_take_far_times(t: Client) -> None:
    merge = (
        "MERGE INTO t USING (VALUES (1, DATE '9999-12-30'), (3, DATE '0001-01-02')) AS n (id, day) ON t.id = n.id "
        "WHEN MATCHED AND t.until > n.day THEN UPDATE SET until = n.day "
        "WHEN NOT MATCHED THEN INSERT (id, since) VALUES (n.id, n.day)"
    )
    assert t.do(merge) == 2
    upsert = "INSERT INTO t (id, since) VALUES (1, '9999-12-29') ON CONFLICT (id) DO UPDATE SET since = excluded.since"
    assert t.do(upsert) == 1
    day = dt.timedelta(days=1)
    assert t.rows("SELECT id, since, until FROM t WHERE id <> 2 ORDER BY id") == [
        (1, EVER - 2 * day, EVER - day),
        (3, ONCE + day, EVER),
    ]


@pytest.mark.parametrize("value", [EVER, EVER.date(), "9999-12-31"])
def test_bound_values_are_far_times(t: Client, value: object) -> None:
    assert t.rows("SELECT id FROM t WHERE until = ? AND day <= ? ORDER BY id", (value, value)) == [(1,), (2,)]
    assert t.do("UPDATE t SET since = ? WHERE until >= ?", (value, value)) == 2
    assert t.do("INSERT INTO t (id, since) VALUES (?, ?)", (9, value)) == 1
    assert t.rows("SELECT DISTINCT since FROM t") == [(EVER,)]


def test_views_and_joins_compare_far_times(t: Client) -> None:
    t.do("CREATE VIEW valid AS SELECT id, day, until FROM t WHERE until > now() AND since < day")
    assert t.rows("SELECT a.id FROM valid a JOIN t b ON a.day = b.until AND b.id = 2") == [(1,)]
    t.do("DROP VIEW valid")


def test_timestamps_without_a_precision_are_microseconds(t: Client) -> None:
    types = t.table(
        "SELECT now() AS a, TIMESTAMP '2026-01-01 00:00:00' AS b, CAST(day AS TIMESTAMP) AS c,"
        " '2026-01-01'::timestamp AS d,TIMESTAMP(9) '2026-01-01 00:00:00' AS e, date_trunc('month', day) AS f FROM t"
    ).schema.types
    us = pa.timestamp("us")
    assert types[0].unit == "us"
    assert types[1:] == [us, us, us, pa.timestamp("ns"), us]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM generate_series(DATE '9999-12-30', DATE '9999-12-31', INTERVAL '1 day')",
        "INSERT INTO fine VALUES (TIMESTAMP '9999-12-31 00:00:00')",
        "SELECT until + INTERVAL '300000 years' FROM t",
    ],
)
def test_what_has_no_far_times_says_what_to_write(t: Client, sql: str) -> None:
    t.do("CREATE TABLE fine (n TIMESTAMP(9))")
    refused = t.refusal(sql)
    t.do("DROP TABLE fine")
    assert refused.sqlstate == "22008", refused
