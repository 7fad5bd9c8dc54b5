"""Which INSERTs are stored without a transaction: too few is slow, too many would be wrong."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.statements.changes import DataChange
from flight_server.parser.text.sql_text import SqlText
from flight_server.sql.permissions import needed
from flight_server.sql.run.insert_plan import InsertPlan, insert_plan
from storage.catalog.names import TableName
from storage.catalog.schema import Column, Identity, TableDef, TableKind
from storage.catalog.table_options import TableOptions
from storage.catalog.users import Privilege

REPLACE = (
    "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET name = excluded.name, amount = excluded.amount"
)


def a_column(name: str, kind: pa.DataType, **more: object) -> Column:
    return Column(name=name, physical_name=name, type=kind, sql_type="ANY", **more)  # type: ignore[arg-type]


ID, NAME, AMOUNT = (
    a_column("id", pa.int64(), nullable=False),
    a_column("name", pa.string()),
    a_column("amount", pa.decimal128(9, 2)),
)


def a_table(*columns: Column, kind: TableKind = TableKind.SHARED, key: tuple[str, ...] = ("id",)) -> TableDef:
    return TableDef(
        table_id=7,
        name=TableName("public", "t"),
        kind=kind,
        columns=columns or (ID, NAME, AMOUNT),
        options=TableOptions(),
        primary_key=key,
    )


def a_change(sql: str) -> DataChange:
    statement = parse_statement(SqlText(sql))
    assert isinstance(statement, DataChange)
    return statement


def planned(sql: str, table: TableDef) -> InsertPlan | None:
    return insert_plan(table, a_change(sql))


@pytest.mark.parametrize(
    ("sql", "places"),
    [
        ("INSERT INTO t VALUES ($1, $2, $3)", (0, 1, 2)),
        ("INSERT INTO public.t (amount, id) VALUES ($1, $2)", (1, None, 0)),
        ("INSERT INTO t (id, name, amount) VALUES ($3, $1, $1)", (2, 0, 0)),
        ("INSERT INTO t (id) VALUES ($1)", (0, None, None)),
    ],
)
def test_values_of_placeholders_alone_need_no_transaction(sql: str, places: tuple[int | None, ...]):
    found = planned(sql, a_table())
    assert found is not None
    assert (found.places, found.is_upsert) == (places, False)
    assert set(found.needs) == needed(a_change(sql))


@pytest.mark.parametrize(
    "sql",
    [
        REPLACE,
        'INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT ("id") DO UPDATE SET amount = excluded.amount, '
        "name = EXCLUDED.name",
    ],
)
def test_an_upsert_that_takes_all_of_the_new_row_needs_none_either(sql: str):
    found = planned(sql, a_table())
    assert found is not None
    assert found.is_upsert
    assert set(found.needs) == needed(a_change(sql)) > {Privilege.INSERT}


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES ($1, $2, 5)",
        "INSERT INTO t VALUES ($1, $2, $3), ($4, $5, $6)",
        "INSERT INTO t VALUES ($1, $2)",
        "INSERT INTO t VALUES ($1, $2, $3, $4)",
        "INSERT INTO t (id, nobody) VALUES ($1, $2)",
        "INSERT INTO t (id, _seq) VALUES ($1, $2)",
        "INSERT INTO t VALUES ($1, $2 || 'x', $3)",
        "INSERT INTO t VALUES ($1, DEFAULT, $3)",
        "INSERT INTO t DEFAULT VALUES",
        "INSERT INTO t SELECT $1, $2, $3",
        "INSERT INTO t VALUES ($1, $2, $3) RETURNING id",
        "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3)",
        "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET name = excluded.name, "
        "amount = excluded.amount",
        "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
        "amount = excluded.amount WHERE t.amount > 3",
        "INSERT INTO t VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
        "amount = t.amount + excluded.amount",
        "UPDATE t SET name = $1 WHERE id = $2",
        "DELETE FROM t WHERE id = $1",
    ],
)
def test_anything_else_takes_a_transaction(sql: str):
    assert planned(sql, a_table()) is None


@pytest.mark.parametrize(
    "column",
    [
        a_column("more", pa.int64(), default_sql="5"),
        a_column("more", pa.int64(), nullable=False, default_sql="next", identity=Identity.ALWAYS),
        a_column("more", pa.list_(pa.int64())),
        a_column("more", pa.struct([("a", pa.int64())])),
        a_column("more", pa.dictionary(pa.int32(), pa.string())),
        a_column("more", pa.month_day_nano_interval()),
        a_column("more", pa.large_string()),
        a_column("more", pa.binary(4)),
    ],
)
def test_columns_that_have_to_be_worked_out_take_a_transaction(column: Column):
    assert planned("INSERT INTO t (id) VALUES ($1)", a_table(ID, column)) is None


def test_a_default_is_of_no_account_where_a_value_is_given():
    table = a_table(ID, a_column("more", pa.int64(), default_sql="5"))
    assert planned("INSERT INTO t VALUES ($1, $2)", table) is not None


def test_rows_of_users_take_a_transaction_and_events_take_none():
    assert planned("INSERT INTO t VALUES ($1, $2, $3)", a_table(kind=TableKind.USER)) is None
    assert planned("INSERT INTO t VALUES ($1, $2, $3)", a_table(kind=TableKind.STREAM, key=())) is not None
    assert planned(REPLACE, a_table(key=())) is None
