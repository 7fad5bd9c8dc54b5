"""Floats are grouped, ordered and compared: K4 (min and max by group), K9 (-0.0 and 0.0 in windows and sorts)."""

from __future__ import annotations

from typing import Final

from tests.second_opinion.expressions import Expressions
from tests.second_opinion.pieces import Part, all_of, filled, listed, maybe, row
from tests.second_opinion.questions import Making, Question, named, question

RANKS: Final = ("rank()", "dense_rank()", "percent_rank()", "cume_dist()", "count(*)", "sum(id)", "min(id)", "max(id)")
FRAMES: Final = (
    "", "", " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", " RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW", " GROUPS BETWEEN CURRENT ROW AND 1 FOLLOWING",
)  # fmt: skip
GROUPED: Final = ("k", "name", "ok", "x", "tiny", "day")
ZEROS: Final = ("CAST('0' AS DOUBLE)", "CAST('-0.0' AS DOUBLE)", "CAST('-0.0' AS REAL)")
ZERO_TESTS: Final = (
    "{d} IN ({z}, CAST('1.5' AS DOUBLE))", "{d} NOT IN ({z}, CAST('1.5' AS DOUBLE))", "nullif({d}, {z}) IS NULL",
    "CASE {d} WHEN {z} THEN true ELSE false END", "({d} IS NOT DISTINCT FROM {z})", "{d} = {z}", "{d} < {z}",
    "{d} BETWEEN {z} AND CAST('1' AS DOUBLE)", "{d} IN (SELECT {z})", "{d} NOT IN ({z})",
)  # fmt: skip
EXTREMES: Final = ("min({d})", "max({d})")


def extremes(making: Making) -> Question:
    """K4: min and max of DOUBLE and REAL by group: as items, in HAVING, in expressions, with FILTER, in subqueries."""
    table = making.table("float")
    makes = making.over(table)
    by = making.random.choice([name for name in GROUPED if name in table.columns])
    aggregates = [_extreme(making, makes) for _ in range(making.random.randint(1, 3))]
    having = all_of([_compared(making, makes)] if making.chance(0.35) else [], " HAVING ")
    where = makes.where(1, 0)
    if making.chance(0.15):
        return _correlated(
            making, by, filled(making.random.choice(EXTREMES), d=f"b.{makes.column('float')}"), table.name
        )
    query = row(
        f"SELECT {by} AS g, ", listed(named(aggregates)), f" FROM {table.name}", where, f" GROUP BY {by}", having
    )
    match making.random.randint(0, 6):
        case 0:
            aggregates[0] = filled(making.random.choice(EXTREMES), d=makes.column("float") or "")
            query = row(
                f"SELECT {by} AS g, ", listed(named(aggregates)), f" FROM {table.name}", where, f" GROUP BY {by}"
            )
            outer = _outer(making, by, query)
            return question("K4", making, outer)
        case 1:
            query = row("SELECT ", listed(named(aggregates)), f" FROM {table.name}", where)
        case 2:
            two = f"{by}, {making.random.choice(('id % 2', 'ok', 'name')) if 'ok' in table.columns else 'id % 2'}"
            query = row("SELECT ", listed(named(aggregates)), f" FROM {table.name}", where, f" GROUP BY {two}", having)
    return question("K4", making, query)


def _outer(making: Making, by: str, query: Part) -> Part:
    template = making.random.choice(
        (
            "SELECT g, c0 FROM ({q}) AS i WHERE c0 IS NOT NULL AND NOT (c0 = CAST('Infinity' AS DOUBLE))",
            "SELECT max(c0) AS m, count(c0) AS n FROM ({q}) AS i",
            "SELECT o.id, i.c0 FROM t1 AS o JOIN ({q}) AS i ON i.c0 = o.d",
        )
    )
    return filled(template, (query,), q=query)


def _correlated(making: Making, by: str, extreme: Part, table: str) -> Question:
    """As a value, which the engine makes a join with groups of."""
    scalar = row("(SELECT ", extreme, f" FROM {table} AS b WHERE b.{by} = a.{by})")
    if making.chance(0.5):
        return question("K4", making, row("SELECT a.id, ", scalar, f" AS v FROM {table} AS a"))
    return question("K4", making, row(f"SELECT a.id FROM {table} AS a WHERE a.id > 2 OR ", scalar, " IS NOT NULL"))


def _extreme(making: Making, makes: Expressions) -> Part:
    column = makes.column("float")
    assert column is not None
    plain = filled(making.random.choice(EXTREMES), d=column)
    match making.random.randint(0, 5):
        case 0:
            return row(plain, maybe(" FILTER (WHERE ", makes.test(0), ")"))
        case 1:
            return filled("coalesce({p}, CAST('7' AS DOUBLE))", (plain,), p=plain)
        case 2:
            return filled("coalesce(max({d}), min({d}))", (plain,), d=column)
        case 3:
            return filled("CASE WHEN {p} > CAST('0' AS DOUBLE) THEN 'up' ELSE 'down' END", (plain,), p=plain)
        case _:
            return plain


def _compared(making: Making, makes: Expressions) -> Part:
    operator = making.random.choice((">", "<", "=", "<>"))
    column = makes.column("float")
    assert column is not None
    return filled(making.random.choice(EXTREMES) + f" {operator} {makes.literal('float')}", d=column)


def float_windows(making: Making) -> Question:
    """K9: windows whose partitions or order are floats, and ORDER BY of floats with a LIMIT."""
    table = making.table("float")
    makes = making.over(table)
    column = makes.column("float")
    assert column is not None
    if making.chance(0.35):
        return _limited(making, table.name, column)
    if making.chance(0.15):
        test = making.random.choice(ZERO_TESTS).replace("{d}", column).replace("{z}", making.random.choice(ZEROS))
        return question("K9", making, row(f"SELECT id, {test} AS c0 FROM {table.name}", maybe(" WHERE ", test)))
    where = makes.where(1, 0)
    items: list[Part] = []
    for _ in range(making.random.randint(1, 2)):
        if making.chance(0.5):
            function = making.random.choice(RANKS[4:])
            order = making.random.choice(("", "", " ORDER BY id", " ORDER BY id DESC"))
            items.append(f"{function} OVER (PARTITION BY {column}{order})")
        else:
            items.append(_over(making, column))
    return question("K9", making, row("SELECT id, ", listed(named(items)), f" FROM {table.name}", where))


def _over(making: Making, column: str) -> str:
    function = making.random.choice(RANKS)
    direction = making.random.choice(("", " DESC", " NULLS FIRST", " DESC NULLS LAST"))
    partition = making.random.choice(("", "", "PARTITION BY k "))
    frame = making.random.choice(FRAMES) if function[:3] in ("cou", "sum", "min", "max") else ""
    return f"{function} OVER ({partition}ORDER BY {column}{direction}{frame})"


def _limited(making: Making, table: str, column: str) -> Question:
    direction = making.random.choice(("", " DESC"))
    second = making.random.choice(("id", "id DESC"))
    limit = making.random.choice(("", " LIMIT 3", " LIMIT 5 OFFSET 2", " LIMIT 1"))
    query = row(f"SELECT id, {column} FROM {table} ORDER BY {column}{direction}, {second}{limit}")
    return question("K9", making, query, is_ordered=True)
