"""What the server says of itself: well formed, complete, and true of the engine behind it."""

from __future__ import annotations

import datafusion
import pyarrow as pa
import pytest

from flight_server.metadata.columns import type_name
from flight_server.metadata.sql_info import ServerFacts, sql_info
from flight_server.metadata.type_info import XDBC_TYPE_INFO_SCHEMA, xdbc_type_info

FACTS = ServerFacts(version="1.2.3", session_idle_seconds=3600, transaction_idle_seconds=300)
DECLARED = {*range(12), 100, 101, *range(500, 577)}
# SqlSupportsConvert's numbers and a value of that type in the engine's words.
SAMPLES = {
    0: "CAST(1 AS BIGINT)",
    1: "CAST('a' AS BYTEA)",
    2: "true",
    3: "'{}'",
    4: "DATE '2024-01-01'",
    5: "CAST(1 AS DECIMAL(10,2))",
    6: "CAST(1 AS DOUBLE)",
    7: "CAST(1 AS INTEGER)",
    10: "CAST('a' AS BYTEA)",
    11: "'{}'",
    12: "CAST(1 AS DECIMAL(10,2))",
    13: "CAST(1 AS REAL)",
    14: "CAST(1 AS SMALLINT)",
    15: "TIME '10:00:00'",
    16: "TIMESTAMP '2024-01-01 00:00:00'",
    17: "CAST(1 AS TINYINT)",
    18: "CAST('a' AS BYTEA)",
    19: "'{}'",
}
TARGETS = {
    0: "BIGINT",
    1: "BYTEA",
    2: "BOOLEAN",
    3: "VARCHAR",
    4: "DATE",
    5: "DECIMAL(10,2)",
    6: "DOUBLE",
    7: "INTEGER",
    10: "BYTEA",
    11: "VARCHAR",
    12: "DECIMAL(10,2)",
    13: "REAL",
    14: "SMALLINT",
    15: "TIME",
    16: "TIMESTAMP",
    17: "TINYINT",
    18: "BYTEA",
    19: "VARCHAR",
}
TEXTS = {2: "true", 4: "2024-01-01", 15: "10:00:00", 16: "2024-01-01T00:00:00"}


def info() -> dict[int, object]:
    return {row["info_name"]: row["value"] for row in sql_info(FACTS).to_pylist()}


def test_all_numbers_of_the_protocol_have_a_row():
    assert set(info()) == DECLARED


def test_the_union_has_the_members_that_clients_index_into():
    union = sql_info(FACTS).schema.field("value").type
    assert [str(union.field(i).type) for i in range(union.num_fields)] == [
        "string",
        "bool",
        "int64",
        "int32",
        "list<item: string>",
        "map<int32, list<item: int32>>",
    ]
    assert union.type_codes == [0, 1, 2, 3, 4, 5]
    sql_info(FACTS).validate(full=True)


def test_values_that_clients_act_on():
    said = info()
    assert (said[0], said[1], said[2]) == ("Frostline", "1.2.3", pa.__version__)
    assert (said[8], said[9], said[10], said[11]) == (2, True, True, True)
    assert (said[503], said[504], said[513]) == (3, '"', "\\")
    assert (said[563], said[573]) == (True, True)
    assert (said[100], said[101]) == (3_600_000, 300_000)


def test_asking_for_some_gives_those_that_are_known():
    table = sql_info(FACTS, (8, 999_999, 0, 8))
    assert table.column("info_name").to_pylist() == [0, 8]
    assert sql_info(FACTS, (999_999,)).num_rows == 0


def test_listed_functions_exist_in_the_engine():
    context = datafusion.SessionContext(datafusion.SessionConfig().with_information_schema(enabled=True))
    known = context.sql("SELECT DISTINCT routine_name FROM information_schema.routines").to_arrow_table()
    said = info()
    listed = {name for id_ in (509, 510, 511, 512) for name in said[id_]}
    assert listed - set(known.column(0).to_pylist()) == set()


@pytest.mark.parametrize("source", sorted(SAMPLES))
def test_listed_conversions_work_in_the_engine(source):
    context = datafusion.SessionContext()
    for target in dict(info()[517]).get(source, ()):
        sample = SAMPLES[source]
        if source in (3, 11, 19):
            sample = sample.format(TEXTS.get(target, "1"))
        table = context.sql(f"SELECT CAST({sample} AS {TARGETS[target]})").to_arrow_table()
        assert table.num_rows == 1


def test_every_type_name_of_a_column_is_a_listed_type():
    listed = set(xdbc_type_info().column("type_name").to_pylist())
    for data_type in (
        *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
        *(pa.float32(), pa.float64(), pa.decimal128(5, 2), pa.utf8(), pa.large_utf8(), pa.binary(), pa.date32()),
        *(pa.time64("us"), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.month_day_nano_interval(), pa.uuid()),
        *(pa.dictionary(pa.int32(), pa.utf8()), pa.struct([]), pa.map_(pa.utf8(), pa.int64()), pa.json_(), pa.null()),
        *(pa.list_(pa.int64()), pa.large_list(pa.utf8()), pa.list_(pa.int8(), 3), pa.list_(pa.list_(pa.bool_()))),
        *(pa.run_end_encoded(pa.int32(), pa.utf8()), pa.duration("s"), pa.float16(), pa.string_view(), pa.date64()),
    ):
        assert type_name(data_type) in listed
    assert type_name(pa.list_(pa.int64())) == "ARRAY"


def test_types_are_ordered_by_number_and_name_and_filtered_exactly():
    table = xdbc_type_info()
    assert table.schema == XDBC_TYPE_INFO_SCHEMA
    order = [(row["data_type"], row["type_name"]) for row in table.to_pylist()]
    assert order == sorted(order)
    assert [row["type_name"] for row in xdbc_type_info(-5).to_pylist()] == ["BIGINT", "BIGINT UNSIGNED"]
    assert xdbc_type_info(12345).num_rows == 0


def test_dates_and_times_have_their_subcodes():
    codes = {row["type_name"]: (row["sql_data_type"], row["datetime_subcode"]) for row in xdbc_type_info().to_pylist()}
    assert codes["DATE"] == (9, 1)
    assert codes["TIME"] == (9, 2)
    assert codes["TIMESTAMP"] == (9, 3)
    assert codes["BIGINT"] == (-5, None)
