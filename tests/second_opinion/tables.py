"""Tables hold random rows: equal column names in all of them, NULLs, and values on which engines disagree.

`id` is unique, so that an order which ends in it is total. Dead rows are stored and deleted again in the mixed state;
elsewhere they never were.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Final

import pyarrow as pa

DEAD_ID: Final = 1000  # ids from here on are deleted
DEAD_SHARE: Final = 0.4
NULL_SHARE: Final = 0.25

STRUCT: Final = pa.struct([("a", pa.int32()), ("y", pa.string())])
INTERVAL: Final = pa.month_day_nano_interval()
ARROW_TYPES: Final[dict[str, pa.DataType]] = {
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "SMALLINT": pa.int16(),
    "DECIMAL(10, 2)": pa.decimal128(10, 2),
    "DOUBLE": pa.float64(),
    "REAL": pa.float32(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "BOOLEAN": pa.bool_(),
    "INTERVAL": INTERVAL,
    "STRUCT<a INT, y VARCHAR>": STRUCT,
    "INT[]": pa.list_(pa.int32()),
}
SPECIAL_FLOATS: Final = (float("nan"), float("inf"), float("-inf"), -0.0, 0.0, 0.0, -0.0)
WORDS: Final = ("", "a", "A", "b", "ä", "frost", "it's", "x y", "日本", "a%", "10")

# Column -> the types that it may have. Every table has the first three.
COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "id": ("INT",),
    "k": ("INT", "INT", "BIGINT", "SMALLINT"),
    "name": ("VARCHAR",),
    "x": ("INT",),
    "big": ("BIGINT",),
    "tiny": ("SMALLINT",),
    "price": ("DECIMAL(10, 2)",),
    "d": ("DOUBLE",),
    "r": ("REAL",),
    "day": ("DATE",),
    "ts": ("TIMESTAMP",),
    "till": ("TIMESTAMP",),  # beyond the nanoseconds of 64 bits
    "ok": ("BOOLEAN",),
    "gap": ("INTERVAL",),
    "s": ("STRUCT<a INT, y VARCHAR>",),
    "tags": ("INT[]",),
}
_FAR: Final = (dt.datetime(9999, 12, 31), dt.datetime(1, 1, 1), dt.datetime(2500, 6, 1, 12), dt.datetime(1600, 2, 29))  # noqa: DTZ001
_NOON: Final = dt.datetime(2026, 1, 1, 12)  # noqa: DTZ001


class Place(StrEnum):
    """Where a row lies in the mixed state."""

    COLD = "cold"
    COLDER = "in another file"
    HOT = "hot"


@dataclass(frozen=True, slots=True)
class Row:
    place: Place
    values: tuple[object, ...]

    @property
    def is_dead(self) -> bool:
        number = self.values[0]
        return isinstance(number, int) and number >= DEAD_ID


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: dict[str, str]  # name -> SQL type
    rows: tuple[Row, ...]
    is_keyed: bool = False

    @property
    def sql(self) -> str:
        key = ", PRIMARY KEY (id)" if self.is_keyed else ""
        return f"CREATE OR REPLACE TABLE {self.name} ({', '.join(f'{n} {t}' for n, t in self.columns.items())}{key})"

    @property
    def live(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.is_dead)

    def arrow(self, rows: Sequence[Row]) -> pa.Table:
        arrays = [_array([row.values[at] for row in rows], type_) for at, type_ in enumerate(self.columns.values())]
        return pa.table(arrays, names=list(self.columns))


def tables(random: Random, count: int = 4) -> tuple[Table, ...]:
    """The first one has every column."""
    return tuple(_table(random, f"t{number + 1}", number == 0) for number in range(count))


def _table(random: Random, name: str, is_wide: bool) -> Table:
    others = list(COLUMNS)[3:]
    chosen = others if is_wide else [n for n in others if random.random() < 0.45]
    columns = {n: random.choice(COLUMNS[n]) for n in ("id", "k", "name", *chosen)}
    count = random.choice((0, 1, 3, 5, 5, 8, 8, 12, 12, *([25, 60] if name < "t3" else [])))
    ids = random.sample(range(max(10, count + 5)), count)
    if random.random() < 0.7:
        ids.extend(range(DEAD_ID, DEAD_ID + round(count * DEAD_SHARE)))
    special = random.choice((0.0, 0.3, 0.7))
    rows = tuple(Row(random.choice(list(Place)), _values(random, columns, id_, special)) for id_ in ids)
    return Table(name, columns, rows, random.random() < 0.5)


def _values(random: Random, columns: dict[str, str], id_: int, special: float) -> tuple[object, ...]:
    return (id_, *(_value(random, name, type_, special) for name, type_ in list(columns.items())[1:]))


def _value(random: Random, name: str, type_: str, special: float) -> object:
    if random.random() < NULL_SHARE:
        return None
    if name == "till":
        return random.choice((*_FAR, _NOON))
    if type_ in ("DOUBLE", "REAL"):
        return random.choice(SPECIAL_FLOATS) if random.random() < special else random.randint(-8, 8) / 2
    return MAKERS[type_](random)


def _word(random: Random) -> str:
    return random.choice(WORDS)


def _moment(random: Random) -> dt.datetime:
    return _NOON + dt.timedelta(days=random.randint(-40, 3), hours=random.randint(0, 30), milliseconds=250)


def _gap(random: Random) -> pa.MonthDayNano:
    return pa.MonthDayNano([random.choice((0, 0, 1, 2)), random.randint(0, 3), random.randint(0, 3) * 3_600 * 10**9])


def _list(random: Random) -> list[int | None]:
    return [random.choice((None, 1, 2, 3)) for _ in range(random.randint(0, 3))]


MAKERS: Final[dict[str, Callable[[Random], object]]] = {
    "INT": lambda random: random.randint(0, 6),
    "BIGINT": lambda random: random.choice((0, 1, 2, 3, 5, 3_000_000_000, -7)),
    "SMALLINT": lambda random: random.randint(-2, 5),
    "DECIMAL(10, 2)": lambda random: Decimal(random.randint(-300, 300)) / 100,
    "VARCHAR": _word,
    "DATE": lambda random: dt.date(2026, random.randint(1, 3), random.choice((1, 15, 28))),
    "TIMESTAMP": _moment,
    "BOOLEAN": lambda random: random.random() < 0.5,
    "INTERVAL": _gap,
    "STRUCT<a INT, y VARCHAR>": lambda random: {
        "a": random.choice((None, 0, 1, 2)),
        "y": random.choice((None, "", "a", "q")),
    },
    "INT[]": _list,
}


def _array(values: Iterable[object], type_: str) -> pa.Array:
    kind = ARROW_TYPES[type_]
    if kind != STRUCT:
        return pa.array(values, kind)
    whole = list(values)
    given = [value if isinstance(value, dict) else {"a": 0, "y": ""} for value in whole]  # Arrow allows it
    children = [pa.array([each[f.name] for each in given], f.type) for f in STRUCT]
    mask = pa.array([value is None for value in whole], pa.bool_())
    return pa.StructArray.from_arrays(children, fields=list(STRUCT), mask=mask)
