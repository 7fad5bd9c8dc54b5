"""Random tables, changes and questions in the SQL that Frostline and DuckDB read alike.

Values come from small ranges, so that conditions meet rows, groups have members and keys collide. Floats are halves,
whose sums are exact in any order; integers stay far from overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

ROWS_MAX = 30
LARGE_ROWS = 700  # of a statement that goes straight to files
KEYS = 60

_WORDS: Final = ("", "a", "A", "b", "ä", "frost", "line", "it''s", "x y")


def _integer(random: Random) -> str:
    return str(random.randint(-20, 20))


def _text(random: Random) -> str:
    return f"'{random.choice(_WORDS)}'"


def _double(random: Random) -> str:
    return f"CAST({random.randint(-40, 40) / 2} AS DOUBLE)"


def _decimal(random: Random) -> str:
    return f"CAST('{random.randint(-5000, 5000) / 100:.2f}' AS DECIMAL(8, 2))"


def _boolean(random: Random) -> str:
    return random.choice(("true", "false"))


def _date(random: Random) -> str:
    return f"DATE '2026-{random.randint(1, 12):02}-{random.randint(1, 28):02}'"


def _timestamp(random: Random) -> str:
    return f"TIMESTAMP '2026-01-{random.randint(1, 5):02} {random.randint(0, 23):02}:00:00.{random.randint(0, 999):03}'"


VALUES: Final[dict[str, Callable[[Random], str]]] = {
    "BIGINT": _integer,
    "INTEGER": _integer,
    "SMALLINT": _integer,
    "VARCHAR": _text,
    "DOUBLE": _double,
    "DECIMAL(8, 2)": _decimal,
    "BOOLEAN": _boolean,
    "DATE": _date,
    "TIMESTAMP": _timestamp,
}
NUMBERS: Final = ("BIGINT", "INTEGER", "SMALLINT", "DOUBLE", "DECIMAL(8, 2)")


@dataclass(frozen=True, slots=True)
class Schema:
    """A table: `k` first, then columns of random types."""

    name: str
    keyed: bool
    columns: dict[str, str]  # name -> type

    @property
    def theirs(self) -> str:
        listed = ", ".join(f"{name} {type_}" for name, type_ in self.columns.items())
        return f"CREATE TABLE {self.name} ({listed}{', PRIMARY KEY (k)' if self.keyed else ''})"

    @property
    def ours(self) -> str:
        return f"{self.theirs} WITH (flush_policy = 'rows:50,interval:1')"


@dataclass(frozen=True, slots=True)
class Question:
    sql: str
    is_ordered: bool = False


def schema(random: Random, name: str) -> Schema:
    types = [random.choice(list(VALUES)) for _ in range(random.randint(3, 7))]
    numbered = {f"c{at}": type_ for at, type_ in enumerate(["INTEGER", "VARCHAR", *types])}
    return Schema(name, random.random() < 0.7, {"k": "BIGINT", **numbered})


def change(random: Random, table: Schema) -> str:
    """INSERT, UPDATE or DELETE."""
    kinds = [_insert, _insert, _insert, _update, _delete, *([_upsert, _upsert] if table.keyed else [])]
    return random.choice(kinds)(random, table)


def _insert(random: Random, table: Schema) -> str:
    return f"INSERT INTO {table.name} {_rows(random, table)}{' ON CONFLICT DO NOTHING' if table.keyed else ''}"


def _upsert(random: Random, table: Schema) -> str:
    chosen = random.sample([name for name in table.columns if name != "k"], 2)
    sets = ", ".join(f"{name} = excluded.{name}" for name in chosen)
    return f"INSERT INTO {table.name} {_rows(random, table)} ON CONFLICT (k) DO UPDATE SET {sets}"


def _rows(random: Random, table: Schema) -> str:
    large = random.random() < 0.1
    count = LARGE_ROWS if large else random.randint(1, ROWS_MAX)
    keys = random.sample(range(2 * LARGE_ROWS if large else KEYS), count)
    rows = ", ".join(f"({', '.join([str(k), *_values(random, table)])})" for k in keys)
    return f"VALUES {rows}"


def _values(random: Random, table: Schema) -> list[str]:
    types = [type_ for name, type_ in table.columns.items() if name != "k"]
    return [f"CAST(NULL AS {t})" if random.random() < 0.15 else VALUES[t](random) for t in types]


def _update(random: Random, table: Schema) -> str:
    name = random.choice([name for name in table.columns if name != "k"])
    return f"UPDATE {table.name} SET {name} = {_new_value(random, table, name)} WHERE {condition(random, table)}"


def _new_value(random: Random, table: Schema, name: str) -> str:
    others = [other for other, type_ in table.columns.items() if type_ == table.columns[name]]
    return random.choice([VALUES[table.columns[name]](random), random.choice(others), "NULL"])


def _delete(random: Random, table: Schema) -> str:
    return f"DELETE FROM {table.name} WHERE k % 7 = {random.randint(0, 6)} AND {condition(random, table)}"


def condition(random: Random, table: Schema, depth: int = 2) -> str:
    """A boolean expression over the columns, NULLs and all."""
    if depth and random.random() < 0.6:
        left, right = condition(random, table, depth - 1), condition(random, table, depth - 1)
        return random.choice((f"({left} AND {right})", f"({left} OR {right})", f"NOT ({left})"))
    name, type_ = random.choice(list(table.columns.items()))
    low, high = VALUES[type_](random), VALUES[type_](random)
    tests = [
        f"{name} {random.choice(('=', '<>', '<', '<=', '>', '>='))} {low}",
        f"{name} BETWEEN {low} AND {high}",
        f"{name} IN ({low}, {high})",
        f"{name} NOT IN ({low}, {high})",
        f"{name} IS {random.choice(('', 'NOT '))}NULL",
        f"({name} IS DISTINCT FROM {low})",  # without brackets the engine takes what follows into it
        f"k IN (SELECT k FROM {table.name} WHERE {name} = {low})",
    ]
    if type_ == "VARCHAR":
        tests.append(f"{name} LIKE '%{random.choice(('a', 'e', 'x'))}%'")
    return random.choice(tests)


def question(random: Random, table: Schema) -> Question:
    return random.choice((_all, _all, _aggregate, _groups, _top, _join, _window, _union))(random, table)


def _all(random: Random, table: Schema) -> Question:
    return Question(f"SELECT * FROM {table.name} WHERE {condition(random, table)}")


def _aggregates(random: Random, table: Schema) -> str:
    found = ["count(*) AS n"]
    for at, (name, type_) in enumerate(random.sample(list(table.columns.items()), 3)):
        kinds = ["count", "count(DISTINCT", *(["min", "max"] if type_ != "BOOLEAN" else [])]
        kind = random.choice([*kinds, "sum"] if type_ in NUMBERS else kinds)
        found.append(f"{kind} {name}) AS a{at}" if kind.endswith("DISTINCT") else f"{kind}({name}) AS a{at}")
    return ", ".join(found)


def _aggregate(random: Random, table: Schema) -> Question:
    return Question(f"SELECT {_aggregates(random, table)} FROM {table.name} WHERE {condition(random, table)}")


def _groups(random: Random, table: Schema) -> Question:
    by = random.choice(list(table.columns))
    having = f" HAVING count(*) > {random.randint(1, 3)}" if random.random() < 0.4 else ""
    where = condition(random, table)
    return Question(
        f"SELECT {by} AS g, {_aggregates(random, table)} FROM {table.name} WHERE {where} GROUP BY {by}{having}"
    )


def _top(random: Random, table: Schema) -> Question:
    """Ordered by every column, so that there is one order."""
    names = list(table.columns)
    random.shuffle(names)
    order = ", ".join(f"{n} {random.choice(('ASC', 'DESC'))} NULLS {random.choice(('FIRST', 'LAST'))}" for n in names)
    limit = f"LIMIT {random.randint(0, 40)} OFFSET {random.randint(0, 5)}"
    where = condition(random, table)
    return Question(f"SELECT * FROM {table.name} WHERE {where} ORDER BY {order} {limit}", is_ordered=True)


def _join(random: Random, table: Schema) -> Question:
    kind = random.choice(("JOIN", "LEFT JOIN", "FULL JOIN"))
    inner = condition(random, table)
    return Question(
        f"SELECT a.k AS ak, a.c0 AS ac, b.k AS bk, b.c1 AS bc "
        f"FROM (SELECT * FROM {table.name} WHERE k < 20) AS a "
        f"{kind} (SELECT * FROM {table.name} WHERE k < 40 AND {inner}) AS b ON a.k = b.k + {random.randint(0, 2)}"
    )


def _window(random: Random, table: Schema) -> Question:
    by = random.choice(list(table.columns))
    return Question(
        f"SELECT k, {by} AS g, rank() OVER (PARTITION BY {by} ORDER BY k) AS r, "
        f"sum(c0) OVER (PARTITION BY {by} ORDER BY k) AS s, count(*) OVER (PARTITION BY {by}) AS n FROM {table.name}"
    )


def _union(random: Random, table: Schema) -> Question:
    kind = random.choice(("UNION", "UNION ALL", "INTERSECT", "EXCEPT"))
    first, second = condition(random, table), condition(random, table)
    return Question(
        f"SELECT k, c0, c1 FROM {table.name} WHERE {first} {kind} SELECT k, c0, c1 FROM {table.name} WHERE {second}"
    )
