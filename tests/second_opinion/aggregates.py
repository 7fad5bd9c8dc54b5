"""Aggregates are grouped in every way: plain groups, and K7 (GROUPING SETS, ROLLUP and CUBE with constants)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.second_opinion.expressions import Column, Expressions, columns_of
from tests.second_opinion.pieces import Either, Part, Piece, all_of, filled, listed, maybe, row
from tests.second_opinion.questions import Making, Question, named, question, unlike

# min and max of floats are K4's.
AGGREGATES: Final = (
    "count(*)", "count({x})", "count(DISTINCT {x})", "sum({int})", "sum({decimal})", "sum({float})", "avg({int})",
    "avg({float})", "min({int})", "max({int})", "min({text})", "max({text})", "min({date})", "max({time})",
    "min({decimal})", "max({decimal})", "bool_and({bool})", "bool_or({bool})", "var_pop({int})", "stddev_samp({int})",
    "sum(DISTINCT {int})", "count(DISTINCT {int})", "max({bool})", "bit_or({int})",
)  # fmt: skip
ORDERED_AGGREGATES: Final = (
    "string_agg({text}, ',' ORDER BY {id})", "array_agg({int} ORDER BY {id})", "{first}({text} ORDER BY {id} DESC)",
    "array_agg({text} ORDER BY {id} DESC)",
)  # fmt: skip
CONSTANTS: Final = ("length('foo')", "'foo'", "upper('x')", "1 + 1", "CAST('2' AS INT)", "DATE '2026-01-15'")
GROUPABLE: Final = ("int", "text", "date", "bool", "decimal", "time")


def aggregate(
    making: Making, makes: Expressions, id_: str | None = None, templates: Sequence[str] = AGGREGATES
) -> Part:
    """One call, over columns mostly; with `id_` also those that need an order."""
    templates = (*templates, *(ORDERED_AGGREGATES if id_ else ()))
    fitting = [t for t in templates if all(f"{{{f}}}" not in t or makes.of(f) for f in ("float", "decimal", "time"))]
    template = making.random.choice(fitting)
    parts: dict[str, Part] = {
        "x": making.random.choice(makes.of(*GROUPABLE)).text,
        "id": id_ or "",
        "first": Either("first_value", "first"),
    }
    for family in ("int", "decimal", "float", "text", "date", "time", "bool"):
        if f"{{{family}}}" in template:
            parts[family] = makes.value(family, 1 if making.chance(0.3) else 0)
    call = filled(template, (), **{name: part for name, part in parts.items() if f"{{{name}}}" in template})
    if making.chance(0.2):
        call = row(call, maybe(" FILTER (WHERE ", makes.test(0), ")"))
    return call


def groups(making: Making) -> Question:
    """Plain groups over one table or an inner join, with HAVING."""
    source, makes = _source(making)
    families = making.random.sample(GROUPABLE, making.random.randint(1, 2))
    by = unlike([makes.value(family, 1) for family in families])
    aggregates = [aggregate(making, makes, _id(makes)) for _ in range(making.random.randint(1, 3))]
    having = all_of(_having(making, makes), " HAVING ")
    if making.chance(0.2):
        return question("groups", making, row("SELECT ", listed(named(aggregates)), source, makes.where(1), having))
    numbers = ", ".join(str(at + 1) for at in range(len(by)))
    items = listed([*(row(item, f" AS g{at}") for at, item in enumerate(by)), *named(aggregates)], least=len(by))
    return question("groups", making, row("SELECT ", items, source, makes.where(1), f" GROUP BY {numbers}", having))


def _having(making: Making, makes: Expressions) -> list[Part]:
    if not making.chance(0.4):
        return []
    operator = making.random.choice((">", "<", "=", "<>"))
    call = making.random.choice(("count(*)", "count({x})", "sum({x})", "max({x})", "count(DISTINCT {x})"))
    return [filled(f"{call} {operator} {making.random.randint(0, 4)}", x=makes.value("int", 0))]


def _id(makes: Expressions) -> str | None:
    """What orders all rows, if there is one column that does."""
    found = [column.text for column in makes.columns if column.name == "id"]
    return found[0] if len(found) == 1 else None


def _source(making: Making) -> tuple[Part, Expressions]:
    table = making.random.choice(making.tables)
    if making.chance(0.7):
        return f" FROM {table.name}", making.over(table)
    other = making.random.choice(making.tables)
    columns = columns_of(table, "a") + columns_of(other, "b")
    return f" FROM {table.name} AS a JOIN {other.name} AS b ON a.k = b.k", Expressions(making.random, columns)


def grouping_sets(making: Making) -> Question:
    """K7: over a table, a cross join or an inner join, by columns, expressions and constants."""
    table, other = making.random.choice(making.tables[-3:]), making.random.choice(making.tables)
    columns = columns_of(table, "a")
    source = f" FROM {table.name} AS a"
    match making.random.randint(0, 3):
        case 0:
            source += f" JOIN {other.name} AS b ON a.k = b.k"
            columns += columns_of(other, "b")
        case 1 | 2:
            source += f" CROSS JOIN {other.name} AS b"
            columns += columns_of(other, "b")
        case _:
            pass
    makes = Expressions(making.random, columns)
    by = _keys(making, makes)
    calls = [aggregate(making, makes) for _ in range(making.random.randint(1, 2))]
    if making.chance(0.25):
        calls.append(filled("grouping({c})", c=by[0]) if isinstance(by[0], str) and "." in by[0] else "count(*)")
    items = listed([*(row(item, f" AS g{at}") for at, item in enumerate(by)), *named(calls)])
    where = makes.where(1, 0)
    having = all_of([f"count(*) > {making.random.randint(0, 3)}"] if making.chance(0.2) else [], " HAVING ")
    return question("K7", making, row("SELECT ", items, source, where, _sets(making, by), having))


def _keys(making: Making, makes: Expressions) -> list[Part]:
    columns: list[Column] = [c for c in makes.columns if c.family in ("int", "text", "bool", "date")]
    keys: list[Part] = [column.text for column in making.some(columns, 1, 2)]
    if making.chance(0.3):
        keys[0] = filled("{i} % 3", i=making.random.choice(makes.of("int")).text)
    if making.chance(0.6):
        keys.insert(making.random.randint(0, len(keys)), making.random.choice(CONSTANTS))
    return keys


def _sets(making: Making, by: Sequence[Part]) -> Part:
    match making.random.randint(0, 3):
        case 0:
            return listed(by, lead=" GROUP BY ROLLUP (", trail=")")
        case 1:
            return listed(by, lead=" GROUP BY CUBE (", trail=")")
        case 2 if len(by) > 1:
            return row(" GROUP BY ", by[0], listed(by[1:], lead=", ROLLUP (", trail=")"))
        case _:
            whole = listed(by, lead="(", trail=")")
            others = [row("(", key, ")") for key in making.random.sample(list(by), making.random.randint(0, len(by)))]
            sets = Piece((whole, *others, "()"), ", ", 1)
            return row(" GROUP BY GROUPING SETS (", sets, ")")
