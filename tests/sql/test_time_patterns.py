"""PostgreSQL's patterns of times, computed or refused, never given back as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flight_server.access.sessions.session import Session
from flight_server.parser.dialect.time_patterns import chrono_pattern
from storage.errors import InvalidRequest
from tests.support.in_process import House, house

# What PostgreSQL 15 gives for TIMESTAMP '2024-01-02 15:04:05.678912'.
WRITTEN = {
    "YYYY-MM": "2024-01",
    "yyyy-mm-dd": "2024-01-02",
    "YYYY-MM-DD HH24:MI:SS": "2024-01-02 15:04:05",
    "HH12:MI AM": "03:04 PM",
    "HH:MI pm": "03:04 pm",
    "SS.MS": "05.678",
    "SS.US": "05.678912",
    "Mon Dy": "Jan Tue",
    "FMMonth, FMDay": "January, Tuesday",
    "FMDD.FMMM.YY": "2.1.24",
    "FMHH12:FMMI": "3:4",
    "IYYY-IW-ID": "2024-01-2",
    "DDD": "002",
    "FMDDD": "2",
    "Q/YYYY": "1/2024",
    'YYYY-MM-DD"T"HH24:MI:SS"Z"': "2024-01-02T15:04:05Z",
    "YYYY-MM-DDTHH24:MI": "2024-01-02T15:04",
    "YYYYMMDDHH24MISS": "20240102150405",
    "%Y": "2024",
    "": "",
}
REFUSED = (
    "Month", "MONTH", "month", "Day", "DAY", "MON", "mon", "DY", "DDth", "YYYYTH", "WW", "W", "D", "J", "CC", "RM",
    "TZ", "OF", "BC", "Y,YYY", "YYY", "SSSS", "999", "it's", "TMMonth",
)  # fmt: skip
READ = {
    ("2024-01-02", "YYYY-MM-DD"): "2024-01-02T00:00:00",
    ("02.01.2024 15:04", "DD.MM.YYYY HH24:MI"): "2024-01-02T15:04:00",
    ("2 January 2024", "FMDD Month YYYY"): "2024-01-02T00:00:00",
    ("02 Jan 2024", "DD Mon YYYY"): "2024-01-02T00:00:00",
    ("20240102", "YYYYMMDD"): "2024-01-02T00:00:00",
    ("2024-01-02T15:04:05.678", 'YYYY-MM-DD"T"HH24:MI:SS.MS'): "2024-01-02T15:04:05.678000",
    ("2024-01-02", "%Y-%m-%d"): "2024-01-02T00:00:00",
}


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Session]]:
    with house(tmp_path_factory.mktemp("patterns")) as opened:
        session = opened.enter()
        opened.do(session, "CREATE TABLE t (at TIMESTAMP, s VARCHAR)")
        opened.do(session, "INSERT INTO t VALUES ('2024-01-02 15:04:05.678912', '%m')")
        yield opened, session


@pytest.mark.parametrize("pattern", WRITTEN)
@pytest.mark.parametrize(
    "call", ["to_char(at, '{}')", "TO_CHAR (t.at, '{}')", "pg_catalog.to_char(at, '{}')", "date_format(at, '{}')"]
)
def test_times_are_written(inside: tuple[House, Session], call: str, pattern: str):
    opened, session = inside
    assert opened.value(session, f"SELECT {call.format(pattern)} FROM t") == WRITTEN[pattern]


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_can_not_be_written_is_refused(inside: tuple[House, Session], pattern: str):
    opened, session = inside
    text = pattern.replace("'", "''")
    with pytest.raises(InvalidRequest, match="pattern") as caught:
        opened.do(session, f"SELECT to_char(at, '{text}') FROM t")
    assert caught.value.sqlstate == "22023"


@pytest.mark.parametrize(("text", "pattern"), READ)
def test_texts_are_read(inside: tuple[House, Session], text: str, pattern: str):
    opened, session = inside
    found = opened.value(session, f"SELECT CAST(to_timestamp('{text}', '{pattern}') AS TIMESTAMP)")
    wanted = READ[text, pattern]
    assert found.isoformat() == wanted
    assert opened.value(session, f"SELECT to_date('{text}', '{pattern}')").isoformat() == wanted[:10]


def test_patterns_in_views_changes_and_defaults(inside: tuple[House, Session]):
    opened, session = inside
    opened.do(session, "CREATE VIEW v AS SELECT to_char(at, 'YYYY-MM') AS m FROM t WHERE to_char(at, 'Q') = '1'")
    assert opened.value(session, "SELECT m FROM v") == "2024-01"
    opened.do(session, "CREATE TABLE d (y VARCHAR DEFAULT to_char(DATE '2024-05-06', 'DD.MM'))")
    opened.do(session, "INSERT INTO d DEFAULT VALUES; INSERT INTO d SELECT to_char(at, 'IW') FROM t")
    assert sorted(opened.do(session, "SELECT y FROM d").to_pydict()["y"]) == ["01", "06.05"]
    assert opened.value(session, "SELECT to_char(at, s) FROM t") == "01"
    assert (
        opened.value(session, "SELECT count(*) FROM t GROUP BY to_char(at, 'YYYY') HAVING to_char(at, 'YYYY') > '2'")
        == 1
    )


def test_a_pattern_of_chronos_stays():
    assert chrono_pattern("%Y Month", is_read=False) == "%Y Month"
