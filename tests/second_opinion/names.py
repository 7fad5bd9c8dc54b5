"""Names meet each other: K10a (calls that differ in a CAST), K10b (aliases named as columns), K10l (primary keys)."""

from __future__ import annotations

from typing import Final

from tests.second_opinion.pieces import Either, Part, listed, row
from tests.second_opinion.questions import Making, Question, Unfit, question

CALLS: Final = ("sum", "max", "min", "count")  # avg of decimals has fewer digits, see docs/sql.md
CASTS: Final = ("DECIMAL(18, 3)", "DOUBLE", "BIGINT")
INTEGERS: Final = ("k", "x", "big", "tiny", "id")


def casts(making: Making) -> Question:
    """K10a: two expressions of one query that differ in a CAST only."""
    table = making.random.choice(making.tables)
    name = making.random.choice([each for each in INTEGERS if each in table.columns])
    cast = f"CAST({name} AS {making.random.choice(CASTS)})"
    call = making.random.choice(CALLS)
    over = making.random.choice((" OVER ()", " OVER (ORDER BY id)", " OVER (PARTITION BY k)"))
    query: Part
    match making.random.randint(0, 5):
        case 0:
            query = f"SELECT {call}({name}){over} AS a, {call}({cast}){over} AS b FROM {table.name}"
        case 1:
            query = f"SELECT {name} AS a, {cast} AS b, count(*) AS n FROM {table.name} GROUP BY {name}, {cast}"
        case 2:
            query = f"SELECT k, {call}({name}) AS a, {call}({cast}) AS b FROM {table.name} GROUP BY k"
        case 3:
            query = f"SELECT {name} AS a, {cast} AS b FROM {table.name} WHERE {cast} > 1"
        case 4:
            having = f"{call}({cast}) >= {call}({name})"
            query = f"SELECT k, {call}({name}) AS a FROM {table.name} GROUP BY k HAVING {having}"
        case _:
            query = f"SELECT {call}({name}) AS a, {call}({cast}) AS b FROM {table.name}"
    return question("K10a", making, query)


def aliases(making: Making) -> Question:
    """K10b: an outer table's alias is the name of a column of the inner table."""
    outer, inner = making.random.choice(making.tables), making.random.choice(making.tables)
    alias = making.random.choice([name for name in inner.columns if name not in ("id", "till", "s", "tags")])
    link = f"i.k = {alias}.k"
    source, within = f"FROM {outer.name} AS {alias}", f"FROM {inner.name} AS i"
    query = making.random.choice(
        (
            f"SELECT {alias}.id {source} WHERE EXISTS (SELECT 1 {within} WHERE {link})",
            f"SELECT {alias}.id {source} WHERE {alias}.id IN (SELECT i.id {within} WHERE {link})",
            f"SELECT {alias}.id, (SELECT count(*) {within} WHERE {link}) AS n {source}",
            f"SELECT {alias}.id, i.id AS other {source} JOIN {inner.name} AS i ON {link}",
        )
    )
    return question("K10b", making, query)


def keys(making: Making) -> Question:
    """K10l: columns that the primary key of the group determines."""
    keyed = [table for table in making.tables if table.is_keyed]
    if not keyed:
        raise Unfit
    table = making.random.choice(keyed)
    columns = [c.text for c in making.over(table).of("int", "text", "date", "decimal") if c.text != "id"]
    chosen = making.random.sample(columns, min(2, len(columns)))
    if making.chance(0.7):
        items = listed(Either(name, f"any_value({name}) AS {name}") for name in chosen)
        query = row("SELECT id, ", items, f", count(*) AS n FROM {table.name} GROUP BY id")
    else:
        other = making.random.choice(making.tables)
        items = listed(Either(f"a.{name}", f"any_value(a.{name}) AS {name}") for name in chosen)
        join = f" FROM {table.name} AS a LEFT JOIN {other.name} AS b ON a.k = b.k"
        query = row("SELECT a.id, ", items, ", count(*) AS n", join, " GROUP BY a.id")
    return question("K10l", making, query)


def duplicates(making: Making) -> Question:
    """Output columns of one name."""
    table, other = making.random.choice(making.tables), making.random.choice(making.tables)
    query = making.random.choice(
        (
            f"SELECT id, id FROM {table.name}",
            f"SELECT a.id, b.id FROM {table.name} AS a JOIN {other.name} AS b ON a.k = b.k",
            f"SELECT * FROM {table.name} AS a JOIN {other.name} AS b ON a.id = b.id",
            f"SELECT a.*, b.id FROM {table.name} AS a CROSS JOIN (SELECT id FROM {other.name} WHERE id < 4) AS b",
        )
    )
    return Question("names", query)
