"""Timestamps of the years 1 to 9999 against Python's own, in columns of every precision, hot, cold and mixed."""

from __future__ import annotations

import datetime as dt
import operator
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datafusion import DataFrame, SessionContext

from flight_server.query import QueryEngine
from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.times.far_times import PASSES_MAX, fitting
from storage.errors import FrostlineError, InvalidRequest
from tests.support.query_database import Database, column


def _at(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001 - as columns without a zone hold it


YEARS = (1, 1582, 1676, 1678, 1970, 2261, 2263, 9999)
MOMENTS = [_at(year, 5, 17, 13, 45, 59) for year in YEARS]
TYPES = {
    "s": pa.timestamp("s"),
    "ms": pa.timestamp("ms"),
    "us": pa.timestamp("us"),
    "ns": pa.timestamp("ns"),
    "z": pa.timestamp("us", "UTC"),
    "d": pa.date32(),
}
COARSE = ("s", "ms", "us", "z")
STATES = ("hot", "cold", "mixed")
OPERATORS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FORMS = (
    "TIMESTAMP '{}'",
    "'{}'",
    "CAST('{}' AS TIMESTAMP)",
    "'{}'::timestamp",
    "TIMESTAMP(3) '{}'",
    "TIMESTAMP WITH TIME ZONE '{}'",
    "CAST('{}' AS TIMESTAMP WITH TIME ZONE)",
    "TRY_CAST('{}' AS TIMESTAMP)",
    "to_timestamp('{}')",
    "(TIMESTAMP '{}' + INTERVAL '0 days')",
)


def _value(name: str, moment: dt.datetime) -> Any:
    if name == "ns" and not 1678 <= moment.year < 2262:
        return None
    return moment.date() if name == "d" else moment


def _moment(name: str, moment: dt.datetime) -> dt.datetime | None:
    """What the column holds, as a moment."""
    value = _value(name, moment)
    return value if value is None or name != "d" else dt.datetime.combine(value, dt.time())


@pytest.fixture(scope="module")
def far(queries: QueryEngine, directory: Path) -> Database:
    """hot, cold, mixed: one row of each year."""
    db = Database(queries, directory / "cold")
    for state in STATES:
        table = db.table(state, column("id", pa.int64()), *(column(name, kind) for name, kind in TYPES.items()))
        rows = [{"id": at, **{n: _value(n, m) for n, m in zip(TYPES, [moment] * 9, strict=False)}} for at, moment in
                enumerate(MOMENTS)]  # fmt: skip
        for at, row in enumerate(rows):
            put = db.hot if state == "hot" or (state == "mixed" and at % 2) else db.file
            values: dict[str, Any] = {name: [value] for name, value in row.items()}
            put(table, [at + 1], **values)
    return db


@pytest.mark.parametrize(("state", "form"), [*product(STATES, FORMS)])
def test_columns_are_compared_with_literals_of_every_year(far: Database, state: str, form: str):
    for name, literal in product(TYPES, MOMENTS):
        if form == "'{}'" and name == "d":
            literal = dt.datetime.combine(literal.date(), dt.time())
        text = form.format(literal.date().isoformat() if form == "'{}'" and name == "d" else literal.isoformat(" "))
        items = ", ".join(f"{name} {sign} {text} AS c{at}" for at, sign in enumerate(OPERATORS))
        found = far.rows(f"SELECT id, {items} FROM {state} ORDER BY id")
        values = [_moment(name, moment) for moment in MOMENTS]
        wanted = [
            (at, *(None if value is None else compare(value, literal) for compare in OPERATORS.values()))
            for at, value in enumerate(values)
        ]
        assert found == wanted, (name, text)


@pytest.mark.parametrize(("state", "sign"), [*product(STATES, OPERATORS)])
def test_files_are_pruned_rightly_by_times_of_every_year(far: Database, state: str, sign: str):
    for name, literal, form in product(TYPES, MOMENTS, ("TIMESTAMP '{}'", "'{}'")):
        if form == "'{}'" and name == "d":
            literal = dt.datetime.combine(literal.date(), dt.time())
        text = form.format(literal.date().isoformat() if form == "'{}'" and name == "d" else literal.isoformat(" "))
        values = [_moment(name, moment) for moment in MOMENTS]
        wanted = [(at,) for at, value in enumerate(values) if value is not None and OPERATORS[sign](value, literal)]
        assert far.rows(f"SELECT id FROM {state} WHERE {name} {sign} {text} ORDER BY id") == wanted, (name, text)


@pytest.mark.parametrize(("state", "left", "right"), [*product(STATES, TYPES, TYPES)])
def test_columns_of_all_types_are_compared_and_joined(far: Database, state: str, left: str, right: str):
    lefts = [_moment(left, moment) for moment in MOMENTS]
    rights = [_moment(right, moment) for moment in MOMENTS]
    items = ", ".join(f"a.{left} {sign} b.{right} AS c{at}" for at, sign in enumerate(OPERATORS))
    found = far.rows(f"SELECT a.id, b.id AS other, {items} FROM {state} a CROSS JOIN {state} b ORDER BY 1, 2")
    pairs = [*product(enumerate(lefts), enumerate(rights))]
    assert found == [
        (i, j, *(None if one is None or two is None else compare(one, two) for compare in OPERATORS.values()))
        for (i, one), (j, two) in pairs
    ]
    joined = far.rows(f"SELECT a.id, b.id AS other FROM {state} a JOIN {state} b ON a.{left} = b.{right} ORDER BY 1, 2")
    assert joined == [(i, j) for (i, one), (j, two) in pairs if one is not None and one == two]


def _trunc(unit: str, moment: dt.datetime) -> dt.datetime:
    day = moment.replace(hour=0, minute=0, second=0)
    return {
        "second": moment,
        "minute": moment.replace(second=0),
        "hour": moment.replace(minute=0, second=0),
        "day": day,
        "week": day - dt.timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "quarter": day.replace(day=1, month=day.month - (day.month - 1) % 3),
        "year": day.replace(day=1, month=1),
    }[unit]


def _binned(moment: dt.datetime, step: dt.timedelta, since: dt.datetime) -> dt.datetime:
    return since + (moment - since) // step * step


DAY = dt.timedelta(days=1)
ORIGIN = "TIMESTAMP '2000-01-01 00:07:00'"
FUNCTIONS: dict[str, Any] = {
    **{f"date_trunc('{unit}', {{}})": lambda m, unit=unit: _trunc(unit, m) for unit in
       ("second", "minute", "hour", "day", "week", "month", "quarter", "year")},
    "date_bin(INTERVAL '1 day', {})": lambda m: _binned(m, DAY, _at(1970, 1, 1)),
    f"date_bin(INTERVAL '15 minutes', {{}}, {ORIGIN})": lambda m: _binned(m, DAY / 96, _at(2000, 1, 1, 0, 7)),
    "date_part('year', {})": lambda m: m.year,
    "extract(month FROM {})": lambda m: m.month,
    "extract(doy FROM {})": lambda m: m.timetuple().tm_yday,
    "extract(isodow FROM {})": lambda m: m.isoweekday(),
    "extract(epoch FROM {})": lambda m: (m - _at(1970, 1, 1)).total_seconds(),
    "to_char({}, '%Y-%m-%d')": lambda m: f"{m.year:04}-{m:%m-%d}",
    "CAST({} AS DATE)": lambda m: m.date(),
    "CAST({} AS TIMESTAMP)": lambda m: m,
    "{}::timestamp": lambda m: m,
    "{} - INTERVAL '10 days' < '1000-01-01'::timestamp": lambda m: m.year < 1000,
    "{} BETWEEN '0001-01-01' AND '9999-12-31'": lambda m: True,
    "{} NOT BETWEEN TIMESTAMP '1900-01-01 00:00:00' AND TIMESTAMP '9000-01-01 00:00:00'":
        lambda m: not 1900 <= m.year < 9000,
    "{} IN (TIMESTAMP '9999-05-17 13:45:59', DATE '9999-05-17')": lambda m: m.year == 9999,
    "{} > now()": lambda m: m.year > 2026,
    "current_timestamp < {}": lambda m: m.year > 2026,
    "current_date < {}": lambda m: m.year > 2026,
    "{} IS DISTINCT FROM DATE '1970-05-17'": lambda m: m != _at(1970, 5, 17),
    "CASE WHEN {} > DATE '9000-01-01' THEN 'for ever' ELSE 'once' END":
        lambda m: "for ever" if m.year > 9000 else "once",
    "greatest({}, DATE '9998-01-01')": lambda m: max(m, _at(9998, 1, 1)),
    "least({}, TIMESTAMP '1600-01-01 00:00:00')": lambda m: min(m, _at(1600, 1, 1)),
    "coalesce({}, TIMESTAMP '9999-12-31 00:00:00')": lambda m: m,
    "coalesce(NULL, {}, DATE '9999-12-31')": lambda m: m,
    "nullif({}, TIMESTAMP '9999-05-17 13:45:59')":
        lambda m: None if m == _at(9999, 5, 17, 13, 45, 59) else m,
    "CASE WHEN id < 3 THEN {} ELSE TIMESTAMP '9999-12-31 00:00:00' END":
        lambda m: m if m.year < 1678 else _at(9999, 12, 31),
    "CAST({} AS TIMESTAMP) AT TIME ZONE 'UTC'": lambda m: m,
}  # fmt: skip
SUMMARIES: dict[str, Any] = {
    "SELECT min({0}), max({0}), count(DISTINCT {0}) FROM {1}": lambda m: [(min(m), max(m), len(m))],
    "SELECT {0} FROM {1} GROUP BY {0} HAVING max({0}) > TIMESTAMP '9000-01-01 00:00:00'": lambda m: [(max(m),)],
    "SELECT date_trunc('year', {0}) AS y, count(*) FROM {1} GROUP BY date_trunc('year', {0}) ORDER BY y":
        lambda m: [(_trunc("year", one), 1) for one in sorted(m)],
    "SELECT x FROM (SELECT {0} AS x FROM {1} UNION SELECT TIMESTAMP '9999-12-31 00:00:00') ORDER BY x":
        lambda m: [(one,) for one in (*sorted(m), _at(9999, 12, 31))],
    "SELECT x FROM (SELECT {0} AS x FROM {1} UNION ALL SELECT d FROM {1} WHERE id = 7) ORDER BY x":
        lambda m: [(one,) for one in sorted([*m, _at(9999, 5, 17)])],
    "WITH w AS (SELECT {0} AS x FROM {1}) SELECT x FROM w WHERE x > now() ORDER BY x":
        lambda m: [(one,) for one in sorted(m) if one.year > 2026],
    "SELECT count(*) FROM {1} WHERE {0} IN (SELECT us FROM {1})": None,
    "SELECT count(*) FROM {1} a WHERE EXISTS (SELECT 1 FROM {1} o WHERE o.d > a.{0})": None,
    "SELECT count(*) FROM {1} WHERE {0} > (SELECT min(d) FROM {1})": None,
    "SELECT x FROM (SELECT {0} AS x, row_number() OVER (ORDER BY {0} DESC) AS n FROM {1}) WHERE n = 1":
        lambda m: [(max(m),)],
    "SELECT count(*) OVER (ORDER BY {0} RANGE BETWEEN INTERVAL '1 day' PRECEDING AND CURRENT ROW) FROM {1}":
        lambda m: [(1,)] * len(m),
    "SELECT lag({0}) OVER (ORDER BY {0}) AS x FROM {1} ORDER BY x DESC LIMIT 2":
        lambda m: [(None,), (sorted(m)[-2],)],
}  # fmt: skip


def _plain(value: Any) -> Any:
    """Moments without their zone, dates as moments."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return value


@pytest.mark.parametrize(("state", "expression"), [*product(STATES, FUNCTIONS)])
def test_functions_take_times_of_every_year(far: Database, state: str, expression: str):
    for name in (*COARSE, "d"):
        wanted = [FUNCTIONS[expression](_moment(name, moment)) for moment in MOMENTS]
        found = far.rows(f"SELECT {expression.format(name)} AS x FROM {state} ORDER BY id")
        assert [_at_midnight(value, wanted) for (value,) in found] == wanted, name


def _at_midnight(value: Any, wanted: list[Any]) -> Any:
    """Some results of a DATE are dates."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime) and isinstance(wanted[0], dt.datetime):
        return dt.datetime.combine(value, dt.time())
    return _plain(value)


@pytest.mark.parametrize(("state", "query"), [*product(STATES, SUMMARIES)])
def test_summaries_take_times_of_every_year(far: Database, state: str, query: str):
    for name in (*COARSE, "d"):
        moments = [_moment(name, moment) for moment in MOMENTS]
        found = far.rows(query.format(name, state))
        if SUMMARIES[query] is None:
            assert found == [(_count(query, name, moments),)], name
        else:
            wanted = SUMMARIES[query](moments)
            assert [tuple(_at_midnight(v, [w]) for v, w in zip(row, want, strict=True)) for row, want in
                    zip(found, wanted, strict=True)] == wanted, name  # fmt: skip


def _count(query: str, name: str, moments: list[Any]) -> int:
    if "IN (SELECT us" in query:
        return 0 if name == "d" else len(moments)
    return len(moments) - (name == "d" or "EXISTS" in query)


def test_nanoseconds_are_compared_exactly_with_coarser_times(db: Database):
    table = db.table("t", column("n", pa.timestamp("ns")), column("u", pa.timestamp("us")))
    nanos = [-1, 0, 1, 999, 1000, 1001, -999, -1000, -1001]
    micros = [-1, 0, 1, 2**53, -(2**53)]
    rows = [*product(nanos, micros)]
    db.hot(table, range(1, len(rows) + 1), n=[n for n, _ in rows], u=[u for _, u in rows])
    items = ", ".join(f"n {sign} u AS c{at}, u {sign} n AS o{at}" for at, sign in enumerate(OPERATORS))
    extra = "n BETWEEN u AND u, n NOT IN (u), n IS DISTINCT FROM u, n IS NOT DISTINCT FROM u"
    found = db.rows(f"SELECT {items}, {extra} FROM t ORDER BY _seq")
    for (n, u), row in zip(rows, found, strict=True):
        pairs = [compare(*pair) for compare in OPERATORS.values() for pair in ((n, u * 1000), (u * 1000, n))]
        assert row == (*pairs, n == u * 1000, n != u * 1000, n != u * 1000, n == u * 1000), (n, u)


@pytest.mark.parametrize(
    ("item", "name", "kind"),
    [
        ("now()", "now()", pa.timestamp("us", "+00:00")),
        ("TIMESTAMP '9999-12-31 00:00:00'", 'Utf8("9999-12-31 00:00:00")', pa.timestamp("us")),
        ("us", "us", pa.timestamp("us")),
        ("CAST(d AS TIMESTAMP)", "hot.d", pa.timestamp("us")),
        ("CAST(id AS TIMESTAMP)", "hot.id", pa.timestamp("us")),
        ("date_trunc('year', us)", 'date_trunc(Utf8("year"),hot.us)', pa.timestamp("us")),
        ("date_trunc('year', ns)", 'date_trunc(Utf8("year"),hot.ns)', pa.timestamp("ns")),
        ("date_trunc('year', s)", 'date_trunc(Utf8("year"),hot.s)', pa.timestamp("s")),
        ("z AT TIME ZONE 'Europe/Berlin'", "hot.z", pa.timestamp("us", "Europe/Berlin")),
        ("d > us", "hot.d > hot.us", pa.bool_()),
        ("to_timestamp('9999-12-31')", 'to_timestamp(Utf8("9999-12-31"))', pa.timestamp("us", "+00:00")),
        ("to_timestamp(id)", "to_timestamp(hot.id)", pa.timestamp("ns", "+00:00")),
        ("TIMESTAMP '2026-01-01 00:00:00.123456789'", 'Utf8("2026-01-01 00:00:00.123456789")', pa.timestamp("ns")),
        ("TIMESTAMP(9) '2026-01-01 00:00:00'", 'Utf8("2026-01-01 00:00:00")', pa.timestamp("ns")),
    ],
)
def test_columns_keep_their_names_and_have_microseconds(far: Database, item: str, name: str, kind: pa.DataType):
    found = far.ask(f"SELECT {item} FROM hot").schema.field(0)
    assert (found.name, found.type) == (name, kind)


def test_an_integer_that_is_cast_counts_seconds(far: Database):
    sql = "SELECT CAST(5 AS TIMESTAMP), id::timestamp, CAST(id + 1 AS TIMESTAMP WITH TIME ZONE) FROM hot WHERE id = 7"
    [row] = far.rows(sql)
    assert [value.second for value in row] == [5, 7, 8]


@pytest.mark.parametrize("year", ["0001", "2026", "9999"])
@pytest.mark.parametrize("time_zone", ["+00:00", "+05:00", "Europe/Berlin"])
def test_dates_begin_in_utc_where_moments_are_compared_with_them(far: Database, year: str, time_zone: str):
    moment = f"CAST('{year}-06-01T00:00:00Z' AS TIMESTAMP WITH TIME ZONE)"
    day = f"CAST('{year}-06-01' AS DATE)"
    items = (
        f"{day} = {moment} AS a, {day} < {moment} AS b, {moment} BETWEEN {day} AND {day} AS c, {moment} IN ({day}) AS d"
    )
    assert far.rows(f"SELECT {items}", time_zone=time_zone) == [(True, False, True, True)]


def test_views_compare_far_times(far: Database):
    far.view("valid", "SELECT id, d AS until, us AS since FROM hot WHERE d > TIMESTAMP '1500-01-01 00:00:00'")
    assert far.rows("SELECT count(*) FROM valid WHERE until < since AND until > now()") == [(3,)]


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("ms"), pa.timestamp("s"), pa.date32(), pa.string()])
@pytest.mark.parametrize("name", TYPES)
def test_bound_values_of_every_type_are_compared(far: Database, name: str, kind: pa.DataType):
    value = _at(9998, 1, 1)
    bound = "9998-01-01" if kind == pa.string() else value.date() if kind == pa.date32() else value
    found = far.rows(f"SELECT id FROM hot WHERE {name} < $1", {"1": pa.scalar(bound, kind)})
    held = [_moment(name, moment) for moment in MOMENTS]
    assert sorted(found) == [(at,) for at, moment in enumerate(held) if moment is not None and moment < value]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM generate_series(TIMESTAMP '9999-12-01', TIMESTAMP '9999-12-02', INTERVAL '1 day')",
        "SELECT generate_series(us, us, INTERVAL '1 day') FROM hot",
        "SELECT date_bin(INTERVAL '1 month', us) FROM hot",
        "SELECT us + INTERVAL '300000 years' FROM hot",
        "SELECT d + INTERVAL '9000000 years' FROM hot",
        "SELECT CAST(us AS TIMESTAMP(9)) FROM hot",
        "SELECT us FROM hot UNION ALL SELECT ns FROM hot",
        "SELECT TIMESTAMP '9999-01-01 00:00:00.123456789'",
        "SELECT make_date(999999999, 1, 1)",
    ],
)
def test_what_can_not_be_computed_is_refused_with_advice(far: Database, sql: str):
    with pytest.raises(InvalidRequest) as refused:
        far.rows(sql)
    assert refused.value.sqlstate in ("22008", "22000"), refused.value


@pytest.mark.parametrize("argument", ["us", "s", "z", "d", "ns", "CAST(id - 4 AS BIGINT) * 2305843009213693951"])
@pytest.mark.parametrize(
    "call",
    ["date_trunc('week', {})", "date_bin(INTERVAL '7 days', {})", "date_part('week', {})", "to_char({}, '%c')",
     "{} + INTERVAL '99999999 days'", "{} - INTERVAL '99999999 days'", "make_date({}, 1, 1)", "to_date({})",
     "to_timestamp({})", "from_unixtime({})", "to_unixtime({})", "to_timestamp_seconds({})", "CAST({} AS TIMESTAMP)",
     "to_local_time({})", "{} AT TIME ZONE 'Asia/Kathmandu'", "CAST({} AS VARCHAR)"],
)  # fmt: skip
def test_no_extreme_is_an_internal_error(far: Database, call: str, argument: str):
    assert not _sqlstate(far, f"SELECT {call.format(argument)} AS x FROM hot").startswith("XX")


def _sqlstate(far: Database, sql: str) -> str:
    try:
        far.ask(sql)
    except FrostlineError as error:
        return error.sqlstate
    return ""


def test_of_constants_in_a_long_text_the_type_is_asked_by_themselves() -> None:
    """Or each of them would have the whole text planned again."""
    context, asked = SessionContext(), list[str]()

    def planned(sql: str) -> DataFrame:
        asked.append(sql)
        return context.sql(sql)

    row = "(TIMESTAMP '2020-01-01 00:00:00.#', DATE '2020-01-01' - #), (DATE '2020-01-01', CAST('2020-01-01' AS DATE))"
    rows = ", ".join(row.replace("#", str(number)) for number in range(100))
    sql = f"SELECT * FROM (VALUES {rows}) AS t (a, b) WHERE a > b"
    fitting(sql, context.sql(sql), Dependencies(), planned, None)
    short = [one for one in asked if len(one) < 200]
    assert len(short) > 50
    assert len(asked) - len(short) <= PASSES_MAX
