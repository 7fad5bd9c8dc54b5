"""Types in casts are written as the engine has them, and nothing else is."""

from __future__ import annotations

import pytest

from flight_server.parser.dialect.cast_types import with_own_types
from flight_server.parser.text.sql_text import SqlText


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT CAST(a AS CHARACTER VARYING(5))", "SELECT CAST(a AS VARCHAR(5))"),
        ("SELECT try_cast(a AS clob) AS clob", "SELECT try_cast(a AS VARCHAR) AS clob"),
        ("SELECT a::nchar(3)::blob, b", "SELECT a::CHAR(3)::BYTEA, b"),
        ("SELECT CAST(CAST(a AS FLOAT) AS DEC(5, 2))", "SELECT CAST(CAST(a AS DOUBLE) AS DECIMAL(5, 2))"),
        ("SELECT CAST((SELECT bit AS bit FROM t) AS BIT)", "SELECT CAST((SELECT bit AS bit FROM t) AS BOOLEAN)"),
        ("SELECT CAST(a AS INT ARRAY)", "SELECT CAST(a AS INTEGER[])"),
        ("SELECT a::binary(4), a::VARBINARY(9)", "SELECT a::BYTEA, a::BYTEA"),
        ("SELECT a::STRUCT<bit BIT>", 'SELECT a::STRUCT<"bit" BOOLEAN>'),
        ("SELECT $1::uint8 + 1", "SELECT $1::BIGINT UNSIGNED + 1"),
    ],
)
def test_a_type_that_the_engine_does_not_know_is_written_as_its_own(text: str, wanted: str) -> None:
    assert with_own_types(SqlText(text)).sql == wanted
    assert with_own_types(SqlText(wanted)).sql == wanted


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'a::uuid', \"x::json\" -- ::float",
        "SELECT CAST(a AS VARCHAR) AS clob, a::REAL AS float FROM binary",
        "SELECT a::uuid, a::json, a::STRUCT<a UUID, b BLOB>",
        "CREATE TABLE t (a FLOAT, b BINARY(4) DEFAULT 'x'::BYTEA)",
        "SELECT CAST(a AS BIT(2)), a::HUGEINT, CAST(blob AS",
        "SELECT array_agg(a::INT) FROM (SELECT 1 AS float) AS cast (json)",
    ],
)
def test_all_else_stays_as_it_is(text: str) -> None:
    assert with_own_types(SqlText(text)).sql == text
