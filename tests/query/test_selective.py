"""Equality that few rows can meet goes into the scan: of which statements, and that their answers stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from flight_server.query import engine as engine_module
from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.selective import is_selective
from tests.support.in_process import House, house
from tests.support.local_client import LocalClient

ROWS = 20_000
COLUMNS = {
    "id": "value",
    "number": "value * 7919 % 10007",
    "few": "value % 5",
    "name": "'name ' || (value * 7919 % 10007)",
    "flag": "CASE WHEN value % 3 = 0 THEN 'A' ELSE 'B' END",
    "day": "DATE '2020-01-01' + CAST(value * 7919 % 3001 AS INTEGER)",
    "at": "to_timestamp_seconds(1577836800 + value * 7919 % 10007)",
    "price": "CAST(value * 7919 % 10007 AS DECIMAL(12, 2)) / 4",
    '"Odd Name"': "value * 31 % 10007",
    "missing": "CASE WHEN value % 4 > 0 THEN value * 7919 % 10007 END",
}
KINDS = ("BIGINT", "BIGINT", "INTEGER", "VARCHAR", "VARCHAR", "DATE", "TIMESTAMP", "DECIMAL(12, 2)", "BIGINT", "BIGINT")


def pushed(client: LocalClient, sql: str) -> bool:
    """Whether it ran with its filter in the scan."""
    told: list[bool] = []

    def asked(shown: str, touched: Dependencies) -> bool:
        told.append(is_selective(shown, touched))
        return told[-1]

    with patch.object(engine_module, "is_selective", asked):
        client.table(sql)
    return bool(told) and told[-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("selective")) as opened:
        yield opened


@pytest.fixture(scope="module", params=["cold", "mixed"])
def client(home: House, request: pytest.FixtureRequest) -> LocalClient:
    """A table of two files, and with `mixed` hot rows and deleted ones besides."""
    made = LocalClient(home, home.enter(request.param), request.param)
    made.do(f"CREATE NAMESPACE {request.param}; USE {request.param}")
    made.do(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind in zip(COLUMNS, KINDS, strict=True))})")
    fill = f"INSERT INTO t SELECT {', '.join(COLUMNS.values())} FROM generate_series({{}}, {{}})"
    for first in (1, ROWS // 2 + 1):
        made.do(fill.format(first, first + ROWS // 2 - 1))
        made.flush("t")
    if request.param == "mixed":
        made.do(fill.format(ROWS + 1, ROWS + 500))
        made.do("DELETE FROM t WHERE id % 11 = 0")
        made.do("UPDATE t SET few = 77 WHERE id % 4001 = 0")
    return made


SELECTIVE = (
    "SELECT * FROM t WHERE number = 4711",
    "SELECT id, flag FROM t AS x WHERE x.name = 'name 4711' AND few > 1",
    "SELECT count(*), sum(price) FROM t WHERE day = DATE '2021-05-05'",
    "SELECT id FROM t WHERE at = TIMESTAMP '2020-01-01 01:00:00' ORDER BY id LIMIT 3",
    'SELECT count(*) FROM t WHERE "Odd Name" = 5000',
    "SELECT few, count(*) FROM t WHERE missing = 4711 GROUP BY few ORDER BY few",
    "SELECT id, few FROM t WHERE name = 'none' AND number = 1",
    "SELECT id, _seq > 0 AS s FROM t WHERE number = 17 AND few <> 3 ORDER BY id",
)
OTHERS = (
    "SELECT count(*) FROM t WHERE few = 3",
    "SELECT count(*) FROM t WHERE flag = 'A'",
    "SELECT count(*) FROM t WHERE number = 4711 OR few = 3",
    "SELECT count(*) FROM t WHERE number > 4711",
    "SELECT count(*) FROM t AS a JOIN t AS b ON a.id = b.id WHERE a.number = 4711",
    "SELECT count(*) FROM t WHERE number = few",
    "SELECT count(*) FROM t WHERE number IN (SELECT few FROM t WHERE number = 5)",
    "SELECT few FROM t WHERE few = 1 UNION ALL SELECT number FROM t WHERE number > 10000",
)


@pytest.mark.parametrize("sql", SELECTIVE)
def test_few_rows_are_read_with_the_filter_in_the_scan(client: LocalClient, sql: str):
    assert pushed(client, sql)


@pytest.mark.parametrize("sql", OTHERS)
def test_all_else_is_filtered_behind_the_scan(client: LocalClient, sql: str):
    assert not pushed(client, sql)


@pytest.mark.parametrize("sql", [*SELECTIVE, *OTHERS])
def test_the_answer_is_the_same_with_the_filter_in_the_scan_and_behind_it(client: LocalClient, sql: str):
    answers = []
    for number, where in enumerate((True, False)):
        with patch.object(engine_module, "is_selective", lambda *_, where=where: where):
            # Another text, or the second would be given what was kept of the first.
            answers.append(sorted(client.rows(f"{sql} -- {number}"), key=repr))
    assert answers[0] == answers[1]


def test_a_table_without_files_is_not_looked_at(home: House):
    client = LocalClient(home, home.enter("hot"), "hot")
    client.do("CREATE NAMESPACE hot; USE hot; CREATE TABLE h (number BIGINT)")
    client.do(f"INSERT INTO h SELECT value FROM generate_series(1, {ROWS})")
    assert not pushed(client, "SELECT * FROM h WHERE number = 5")
