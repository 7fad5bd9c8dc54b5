"""Every Arrow type that a client can send, loaded and bound: its values come back, or it is refused by its name."""

from __future__ import annotations

import pyarrow as pa
import pytest
from adbc_driver_manager import Error
from adbc_driver_manager.dbapi import Cursor
from datafusion import SessionContext

from tests.sql_end_to_end.nested_columns import columns_and_nested
from tests.support.sql_client import Client, Refused

# What Go's Arrow, in the client, fails on by itself, before anything is sent.
CLIENT_FAILS = ("arrow/ipc: unknown error while writing", "must be in the range", "byte width must be positive")
# Inside of others: enough to meet each pair of a kind of type and what holds it; the rest is in tests/query.
_INNER = ("int8", "string", "nulls", "interval", "uuid", "decimal_of_hundreds")
_TWICE = ("list of ", "struct of ", "run_ends of ", "sparse_union of ")
COLUMNS = [
    (name, array)
    for name, array in columns_and_nested()
    if " of " not in name
    or (name.count(" of ") == 1 and name.endswith(_INNER))
    or (name.startswith(_TWICE) and name.endswith(" of int8"))
]
MONTHS = "arrow_cast(x, 'Interval(YearMonth)') AS v FROM (VALUES ('14 months'), ('-1 months'), (NULL)) AS t (x)"
DAYS = "arrow_cast(x, 'Interval(DayTime)') AS v FROM (VALUES ('3 days 2 hours'), ('-5 milliseconds'), (NULL)) AS t (x)"
AS_MONTHS = [pa.MonthDayNano((14, 0, 0)), pa.MonthDayNano((-1, 0, 0)), None]
AS_DAYS = [pa.MonthDayNano((0, 3, 7_200_000_000_000)), pa.MonthDayNano((0, 0, -5_000_000)), None]


def made_by_the_engine(sql: str) -> pa.Table:
    """Types that pyarrow can't make."""
    return pa.Table.from_batches(SessionContext().sql(sql).collect())


@pytest.mark.parametrize(("name", "sent"), COLUMNS, ids=[name for name, _ in COLUMNS])
def test_a_type_is_loaded_and_bound_or_refused_by_its_name(client: Client, name: str, sent: pa.Array) -> None:
    rows = pa.table({"id": [1, 2, 3], "v": sent})
    refused = _load_error(client, rows)
    assert not refused or _is_clients(refused) or ("[0A000]" in refused and "'v'" in refused), (name, refused)
    if refused:
        client.do("CREATE TABLE t (id BIGINT, v BIGINT)")
    for statement in (
        "SELECT ? AS v",
        "SELECT id FROM t WHERE ? IS NULL",
        "SELECT id FROM t WHERE v IS NOT DISTINCT FROM ?",
        "INSERT INTO t (v) VALUES (?) RETURNING id",
        "UPDATE t SET v = ? WHERE id < 0",
    ):
        _bind(client, statement, *(rows.select(["v"]).slice(row, 1) for row in (0, 2)))  # a value and NULL
    for statement in ("INSERT INTO t (id, v) VALUES (?, ?)", "INSERT INTO t (v) SELECT ? WHERE ? > 0"):
        _bind(client, statement, rows if "VALUES" in statement else rows.select(["v", "id"]))
    count = client.value("SELECT count(v) FROM t")
    client.flush("t")
    assert client.value("SELECT count(v) FROM t") == count
    assert client.rows("DELETE FROM t WHERE id = 1 RETURNING id") in ([], [(1,)], [(1,), (1,)])
    client.do("DELETE FROM t")
    client.flush("t")
    assert client.table("SELECT * FROM t").num_rows == 0


def _load_error(client: Client, rows: pa.Table) -> str:
    """What the load was refused with; empty when it was not."""
    try:
        client.ingest("t", rows)
    except Refused as refused:
        return str(refused)
    return ""


def _bind(client: Client, statement: str, *rows: pa.Table) -> None:
    """Prepare it once and run it with each rows. What can't be is refused, and never a failure of the server."""
    with client.connection.cursor() as cursor:
        for one in rows:
            error = _bound_error(cursor, statement, one.combine_chunks())
            assert not error or _is_clients(error) or Refused(error).sqlstate[:2] in ("0A", "22", "42"), (
                statement,
                error,
            )
            assert "[42000]" not in error, (statement, error)


def _bound_error(cursor: Cursor, statement: str, rows: pa.Table) -> str:
    try:
        if statement.startswith("SELECT"):
            cursor.execute(statement, rows)
            cursor.fetch_arrow_table()
        else:
            cursor.executemany(statement, rows)
    except Error as error:
        return str(error)
    return ""


def _is_clients(text: str) -> bool:
    return any(part in text for part in CLIENT_FAILS)


@pytest.mark.parametrize(("sql", "expected"), [(MONTHS, AS_MONTHS), (DAYS, AS_DAYS)], ids=["months", "days"])
def test_intervals_of_months_and_of_days_become_the_intervals_of_columns(
    client: Client, sql: str, expected: list[pa.MonthDayNano | None]
) -> None:
    sent = made_by_the_engine(f"SELECT {sql}")
    client.ingest("t", sent)
    client.do(f"CREATE TABLE u AS SELECT {sql}")
    for _ in ("hot", "cold"):
        for table in ("t", "u"):
            got = client.table(f"SELECT v FROM {table}").column("v")
            assert got.type == pa.month_day_nano_interval()
            assert sorted(map(str, got.to_pylist())) == sorted(map(str, expected))
            client.flush(table)
    assert client.table(f"SELECT {sql}").column("v").to_pylist() == expected
    with client.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (?)", sent)
        cursor.execute("SELECT ? AS v", sent.slice(0, 1))
        assert cursor.fetch_arrow_table().column("v").to_pylist() == expected[:1]
    assert client.value("SELECT count(*) FROM t") == 6


@pytest.mark.parametrize("item", ["YearMonth", "DayTime"])
def test_such_intervals_inside_other_types_are_refused_by_the_column_s_name(client: Client, item: str) -> None:
    sent = made_by_the_engine("SELECT make_array(arrow_cast('1 days', 'Interval(MonthDayNano)')) AS v, 1 AS i")
    inside = made_by_the_engine(
        f"SELECT make_array(arrow_cast('{'1 months' if item == 'YearMonth' else '1 days'}', 'Interval({item})')) AS v"
    )
    for rows in (sent, inside):
        with pytest.raises(Refused, match="'v'") as refused:
            client.ingest("t", rows)
        assert refused.value.sqlstate == "0A000"
