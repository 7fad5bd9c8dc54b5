"""The list of differences from PostgreSQL in docs/sql.md: what it says of Frostline is what comes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from storage.errors import FrostlineError
from tests.support.in_process import House, house
from tests.support.server_process import REPOSITORY

_ROW = re.compile(r"^\| `(.+)` \| `(.+)` \| `(.+)` \|$", re.MULTILINE)
_TEXT = (REPOSITORY / "docs" / "sql.md").read_text(encoding="utf-8")
ROWS = _ROW.findall(_TEXT.split("## Differences from PostgreSQL\n")[1].split("\n## ")[0])
SAME_IN_BOTH = {
    "7 / -2": "-3",
    "-7 % 3": "-1",
    "left('hello', -2)": "hel",
    "right('hello', -2)": "llo",
    "substr('hello', -1, 3)": "h",
    "split_part('a,b,c', ',', -1)": "c",
    "'a' || NULL": "NULL",
    "concat('a', NULL)": "a",
    "x FROM (VALUES (1), (NULL)) AS t (x) ORDER BY x LIMIT 1": "1",
    "CAST(true AS VARCHAR)": "true",
    "CAST(DATE '0044-03-15' AS VARCHAR)": "0044-03-15",
    "CAST(CAST('NaN' AS DOUBLE PRECISION) AS VARCHAR)": "NaN",
    "'' IS NULL": "false",
    "sum(x) FROM (VALUES (1)) AS t (x) WHERE x > 1": "NULL",
    "CAST(CAST('2.675' AS DECIMAL(5, 3)) AS DECIMAL(5, 2))": "2.68",
    "CAST(CAST('-2.675' AS DECIMAL(5, 3)) AS DECIMAL(5, 2))": "-2.68",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("differences")) as opened:
        yield opened


def answer(server: House, expression: str) -> str:
    """The value as Python shows it, or the error."""
    try:
        return shown(server.do(server.enter(), f"SELECT {expression}").column(0)[0].as_py())
    except FrostlineError as error:
        return f"error {error.sqlstate}"


def shown(value: Any) -> str:
    if value is None:
        return "NULL"
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("expression", "elsewhere", "here"), ROWS, ids=[row[0] for row in ROWS])
def test_a_difference_is_as_the_table_says(server: House, expression: str, elsewhere: str, here: str) -> None:
    assert answer(server, expression) == here
    assert here != elsewhere


@pytest.mark.parametrize("expression", SAME_IN_BOTH)
def test_what_the_page_calls_the_same_is_what_postgresql_documents(server: House, expression: str) -> None:
    assert answer(server, expression) == SAME_IN_BOTH[expression]


def test_the_table_is_found() -> None:
    assert len(ROWS) > 50


SMALL = ("TINYINT", "SMALLINT", "INTEGER", "TINYINT UNSIGNED", "SMALLINT UNSIGNED", "INTEGER UNSIGNED")
AS_BIGINT = """
x + 1; 1 - x; x * 2; x / -1; x % 3; x << 1; x >> 1; x & 255; x | 1; x ^ 1; sum(x); avg(x); min(x); max(x);
gcd(x, 6); lcm(x, 6); power(x, 2); signum(x); round(x); trunc(x); floor(x); ceil(x); to_hex(x); bit_and(x);
bit_or(x); bit_xor(x); stddev(x); median(x); x * 1.5; sum(x) OVER (); array_sum([x]); greatest(x, 1);
coalesce(x, 1); x = 300; x IN (300); x BETWEEN 1 AND 2; CAST(x AS BIGINT) + y; sum(DISTINCT x);
sum(CAST(x AS BIGINT) * y)"""
WRAPS = ("x + y", "x - y", "x * y", "x + x", "x - x + x + x")
REFUSED = ("abs(x)", "round(x, -1)")


@pytest.fixture(scope="module")
def small(server: House) -> House:
    for number, kind in enumerate(SMALL):
        bits = {"T": 8, "S": 16, "I": 32}[kind[0]]
        low, high = (0, 2**bits - 1) if "UNSIGNED" in kind else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        session = server.enter()
        server.do(session, f"CREATE TABLE small{number} (x {kind}, y {kind})")
        server.do(session, f"INSERT INTO small{number} VALUES ({low}, {high}), ({high}, {low}), ({high}, {high})")
        server.do(session, f"CREATE TABLE big{number} (x BIGINT, y BIGINT)")
        server.do(session, f"INSERT INTO big{number} SELECT * FROM small{number}")
    return server


def both(server: House, number: int, expression: str) -> tuple[list[str], list[str]]:
    """Of each row: what comes of the small type, and of the same numbers as BIGINT."""
    wheres = ("x < y", "x > y", "x = y")
    return (
        [answer(server, f"{expression} AS v FROM small{number} WHERE {where}") for where in wheres],
        [answer(server, f"{expression} AS v FROM big{number} WHERE {where}") for where in wheres],
    )


@pytest.mark.parametrize("expression", [text.strip() for text in AS_BIGINT.split(";")])
def test_small_integers_are_computed_as_bigint_with_literals_and_in_functions(small: House, expression: str) -> None:
    for number, kind in enumerate(SMALL):
        found, expected = both(small, number, expression)
        assert found == expected, kind


@pytest.mark.parametrize("expression", WRAPS)
def test_arithmetic_between_columns_of_small_types_wraps_around(small: House, expression: str) -> None:
    for number, kind in enumerate(SMALL):
        found, expected = both(small, number, expression)
        assert found != expected, kind
        assert not any(text.startswith("error") for text in found), kind


@pytest.mark.parametrize("expression", REFUSED)
def test_functions_that_stay_in_the_small_type_refuse_what_does_not_fit(small: House, expression: str) -> None:
    for number, kind in enumerate(SMALL):
        found, expected = both(small, number, expression)
        assert found == expected or "error 22003" in found, kind


def test_minus_of_the_smallest_value_of_a_column_is_itself(small: House) -> None:
    assert answer(small, "-x AS v FROM small0 WHERE x < y") == "-128"


def test_a_sum_that_does_not_fit_the_column_it_is_written_to_is_an_error(small: House) -> None:
    with pytest.raises(FrostlineError) as error:
        small.do(small.enter(), "INSERT INTO small0 (x) SELECT x + 1000 FROM small0")
    assert error.value.sqlstate == "22003"
