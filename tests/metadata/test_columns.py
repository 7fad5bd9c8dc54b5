"""What the metadata of a field tells of its column."""

from __future__ import annotations

import pyarrow as pa
import pytest

from flight_server.metadata import columns
from flight_server.metadata.columns import described_rows, described_schema, described_table
from storage.catalog.names import table_name
from storage.catalog.schema import Column, TableDef, TableKind
from storage.catalog.table_options import TableOptions

PREFIX = "ARROW:FLIGHT:SQL:"


def notes(field: pa.Field) -> dict[str, str]:
    return {key.decode().removeprefix(PREFIX): value.decode() for key, value in field.metadata.items()}


def declared(data_type: pa.DataType, sql_type: str, comment: str = "") -> dict[str, str]:
    """What is told of a table's only column."""
    column = Column(name="c", physical_name="c1", type=data_type, sql_type=sql_type, comment=comment)
    table = TableDef(
        table_id=1,
        name=table_name("shop", "items"),
        kind=TableKind.SHARED,
        columns=(column,),
        options=TableOptions(),
        primary_key=(),
    )
    return notes(described_table(table).field(0))


@pytest.mark.parametrize(
    ("data_type", "sql_type", "name", "digits"),
    [
        (pa.decimal128(12, 3), "DECIMAL(12, 3)", "DECIMAL", ("12", "3")),
        (pa.int16(), "SMALLINT", "SMALLINT", ("5", "0")),
        (pa.uint64(), "BIGINT UNSIGNED", "BIGINT UNSIGNED", ("20", "0")),
        (pa.utf8(), "VARCHAR(20)", "VARCHAR", ("20", "0")),
        (pa.utf8(), "VARCHAR", "VARCHAR", None),
        (pa.utf8(), "UUID", "UUID", None),
        (pa.utf8(), "JSON", "JSON", None),
        (pa.binary(16), "BINARY(16)", "BYTEA", ("16", "0")),
        (pa.timestamp("ms", "UTC"), "TIMESTAMP(3) WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE", None),
        (pa.list_(pa.int64()), "BIGINT[]", "ARRAY", None),
    ],
)
def test_a_declared_type_is_named_without_its_digits_which_stand_beside_it(data_type, sql_type, name, digits):
    said = declared(data_type, sql_type)
    assert said["TYPE_NAME"] == name
    assert (said.get("PRECISION"), said.get("SCALE")) == (digits or (None, None))


def test_a_table_tells_where_its_columns_are_and_what_they_mean():
    said = declared(pa.utf8(), "VARCHAR", comment="as printed")
    assert (said["CATALOG_NAME"], said["DB_SCHEMA_NAME"], said["TABLE_NAME"]) == ("frostline", "shop", "items")
    assert said["REMARKS"] == "as printed"
    assert (said["IS_READ_ONLY"], said["IS_CASE_SENSITIVE"], said["IS_SEARCHABLE"]) == ("0", "1", "1")
    assert said["IS_AUTO_INCREMENT"] == "0"


def test_columns_of_views_are_read_only():
    [field] = described_schema(pa.schema([("n", pa.int64())]), "shop", "cheap")
    assert notes(field)["IS_READ_ONLY"] == "1"


def test_a_result_tells_its_types_and_no_remarks():
    rows = pa.schema([pa.field("a", pa.decimal128(9, 2), nullable=False), ("b", pa.utf8())])
    described = described_rows(rows)
    assert described == rows  # the metadata apart
    assert notes(described.field(0)) == {
        "TYPE_NAME": "DECIMAL",
        "PRECISION": "9",
        "SCALE": "2",
        "IS_AUTO_INCREMENT": "0",
        "IS_CASE_SENSITIVE": "0",
        "IS_READ_ONLY": "0",
        "IS_SEARCHABLE": "1",
    }


@pytest.mark.parametrize("metadata", [None, {}, {"unit": "kg"}])
def test_what_a_column_of_a_result_tells_is_worked_out_once(metadata: dict[str, str] | None):
    """The engine gives its columns metadata without anything in it."""
    schema = pa.schema([pa.field("worked out once", pa.int64(), metadata=metadata)])
    first, known = described_rows(schema), columns._described_result.cache_info().hits
    assert described_rows(schema).equals(first, check_metadata=True)
    assert columns._described_result.cache_info().hits == known + 1


def test_what_a_field_had_in_its_metadata_stays_and_is_not_mixed_up():
    first = described_rows(pa.schema([pa.field("a", pa.int64(), metadata={"unit": "kg"})])).field(0)
    second = described_rows(pa.schema([pa.field("a", pa.int64(), metadata={"unit": "m"})])).field(0)
    plain = described_rows(pa.schema([pa.field("a", pa.int64())])).field(0)
    assert [notes(field).get("unit") for field in (first, second, plain)] == ["kg", "m", None]


def test_long_names_are_described_and_not_kept():
    kept = columns._described_result.cache_info().currsize
    fields = [("x" * 100_000, pa.int64()), ("s", pa.struct([("y" * 100_000, pa.int64())]))]
    described = described_rows(pa.schema(fields))
    assert [notes(field)["TYPE_NAME"] for field in described] == ["BIGINT", "STRUCT"]
    assert columns._described_result.cache_info().currsize == kept
