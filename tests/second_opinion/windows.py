"""Windows compute over rows beside the row: K8 (IGNORE NULLS), K10h (over INTERVAL), and frames of every unit."""

from __future__ import annotations

from typing import Final

from tests.second_opinion.aggregates import AGGREGATES, aggregate
from tests.second_opinion.expressions import Expressions
from tests.second_opinion.pieces import Either, Part, all_of, listed, row
from tests.second_opinion.questions import Making, Question, named, question

PARTITIONS: Final = ("", "", "PARTITION BY k ", "PARTITION BY name ", "PARTITION BY id % 3 ", "PARTITION BY k, name ")
ORDERS: Final = ("ORDER BY id", "ORDER BY id DESC", "ORDER BY k, id", "ORDER BY k DESC NULLS LAST, id")
FRAMES: Final = (
    "", "", " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING", " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", " ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING",
    " ROWS BETWEEN 3 PRECEDING AND 2 PRECEDING", " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING", " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
)  # fmt: skip
RANGES: Final = (
    "ORDER BY {c} RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "ORDER BY {c} RANGE BETWEEN CURRENT ROW AND 2 FOLLOWING",
    "ORDER BY {c} DESC RANGE BETWEEN 2 PRECEDING AND CURRENT ROW",
    "ORDER BY {c} RANGE BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING",
    "ORDER BY {c} GROUPS BETWEEN CURRENT ROW AND 1 FOLLOWING",
)
EQUALITIES: Final = (
    "k = id", "id = k", "lower(name) = name", "upper(name) = name", "abs(k) = k", "k = abs(id)", "k - id = 0",
    "coalesce(k, 1) = id", "name = substr(name, 1, 1)", "id % 3 = k",
)  # fmt: skip
# Not those whose sums of squares lose digits, nor floats: an infinity never leaves a frame (see `sliding`).
FRAMED: Final = tuple(each for each in AGGREGATES if not each.startswith(("var", "stddev")) and "float" not in each)
VALUES: Final = ("int", "text", "date", "decimal", "bool", "time", "float")


def ignoring_nulls(making: Making) -> Question:
    """K8: LEAD, LAG, FIRST_VALUE, LAST_VALUE, NTH_VALUE with IGNORE NULLS and RESPECT NULLS, offsets and defaults."""
    table = making.random.choice(making.tables)
    makes = making.over(table)
    items = [_neighbour(making, makes) for _ in range(making.random.randint(1, 2))]
    where = makes.where(1, 0)
    return question("K8", making, row("SELECT id, ", listed(named(items)), f" FROM {table.name}", where))


def _neighbour(making: Making, makes: Expressions) -> Part:
    random = making.random
    column = random.choice([c for c in makes.of(*VALUES) if c.name != "id"])
    nulls = random.choice((" IGNORE NULLS", " IGNORE NULLS", "", " RESPECT NULLS"))
    function = random.choice(("lead", "lag", "lead", "lag", "first_value", "last_value", "nth_value"))
    frame = ""
    if function in ("lead", "lag"):
        offset = random.choice(("", ", 1", ", 2", ", 3", ", 0", ", -1", ", 20"))
        if nulls == " IGNORE NULLS" and offset == ", 0":  # whether that is the row itself is the dialect's
            offset = ", 2"
        default = f", {makes.literal(column.family)}" if offset and random.random() < 0.3 else ""
        arguments = f"{column.text}{offset}{default}"
    else:
        arguments = column.text + (f", {random.randint(1, 3)}" if function == "nth_value" else "")
        frame = random.choice(FRAMES)
    over = f" OVER ({random.choice(PARTITIONS)}{random.choice(ORDERS)}{frame})"
    return Either(f"{function}({arguments}){nulls}{over}", f"{function}({arguments}{nulls}){over}")


def frames(making: Making) -> Question:
    """Aggregates and ranks over frames; no floats in partitions and orders, which are K9's."""
    table = making.random.choice(making.tables)
    makes = making.over(table)
    items = [_framed(making, makes) for _ in range(making.random.randint(1, 2))]
    where = makes.where(1, 0)
    return question("windows", making, row("SELECT id, ", listed(named(items)), f" FROM {table.name}", where))


def filtered(making: Making) -> Question:
    """N2: windows above conditions that make columns equal to each other, or to something made of them."""
    table = making.random.choice(making.tables)
    makes = making.over(table)
    equal = making.random.sample(EQUALITIES, making.random.randint(1, 2))
    where = all_of([*equal, makes.test(0)], " WHERE ", least=1)
    partition = making.random.choice(("PARTITION BY name ", "PARTITION BY name ", *PARTITIONS))
    order = making.random.choice(("ORDER BY k", *ORDERS))
    call = making.random.choice(("count(*)", "count(*)", "sum(k)", "max(id)", "rank()", "dense_rank()"))
    return question("N2", making, row(f"SELECT id, {call} OVER ({partition}{order}) AS c0 FROM {table.name}", where))


def _framed(making: Making, makes: Expressions) -> Part:
    random = making.random
    partition = random.choice(PARTITIONS)
    if random.random() < 0.3:
        rank = random.choice(("row_number()", "rank()", "dense_rank()", "ntile(3)", "percent_rank()", "cume_dist()"))
        return f"{rank} OVER ({partition}{random.choice(ORDERS)})"
    call = aggregate(making, makes, templates=FRAMED)
    if random.random() < 0.35:
        order = random.choice(RANGES).replace("{c}", random.choice(("id", "k", "k")))
    else:
        order = random.choice(ORDERS) + random.choice(FRAMES)
    return row(call, f" OVER ({partition}{order})")


def sliding(making: Making) -> Question:
    """N1: sums and averages of floats over frames that infinities and NaN enter and leave."""
    table = making.table("float")
    makes = making.over(table)
    column = makes.column("float")
    function = making.random.choice(("sum", "avg", "sum", "min", "max", "count"))
    over = f"{making.random.choice(PARTITIONS)}{making.random.choice(ORDERS)}{making.random.choice(FRAMES)}"
    return question("N1", making, row(f"SELECT id, {function}({column}) OVER ({over}) AS v FROM {table.name}"))


def over_intervals(making: Making) -> Question:
    """K10h: windows that are partitioned or ordered by an INTERVAL."""
    table = making.table("interval")
    function = making.random.choice(("row_number()", "rank()", "dense_rank()", "count(*)", "sum(id)", "lag(id)"))
    total = making.random.choice((", id", ", id DESC"))
    window = making.random.choice((f"ORDER BY gap{total}", f"ORDER BY gap DESC{total}", "PARTITION BY gap ORDER BY id"))
    if function in ("rank()", "dense_rank()", "count(*)", "sum(id)") and making.chance(0.5):
        window = "ORDER BY gap"
    return question("K10h", making, f"SELECT id, {function} OVER ({window}) AS v FROM {table.name}")
