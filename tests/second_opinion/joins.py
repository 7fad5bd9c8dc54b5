"""Joins are made of tables with equal column names: K1 (filters above outer joins), K2 (NULL = NULL), K6 (USING)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.second_opinion.aggregates import aggregate
from tests.second_opinion.expressions import Column, Expressions, columns_of
from tests.second_opinion.pieces import Part, Piece, all_of, filled, listed, row
from tests.second_opinion.questions import Making, Question, named, question
from tests.second_opinion.tables import Table

KINDS: Final = ("JOIN", "LEFT JOIN", "RIGHT JOIN", "RIGHT JOIN", "FULL JOIN", "FULL JOIN")
KEYS: Final = ("id", "k", "x", "name", "big", "day")
ALIASES: Final = "abcd"


def filtered_joins(making: Making) -> Question:
    """K1: outer joins of 2 to 4 tables on equal names, and a WHERE that takes the padded side."""
    count = making.random.choice((2, 2, 2, 3, 3, 4))
    sources = [(making.random.choice(making.tables), alias) for alias in ALIASES[:count]]
    scopes = [columns_of(table, alias) for table, alias in sources]
    everything = [column for scope in scopes for column in scope]
    joined = [_join(making, sources, at) for at in range(1, count)]
    where = _padded_where(making, scopes)
    chosen = making.some(everything, 1, 5)
    items = _stars(making, sources, chosen)
    source = row(f" FROM {sources[0][0].name} AS a", Piece(tuple(joined), least=0))
    if making.chance(0.15):
        group = making.random.choice(everything)
        head = filled("SELECT {g} AS g, count(*) AS n", g=group.text)
        query = row(head, source, where, f" GROUP BY {group.text}")
        if group.family in ("struct", "list", "interval"):
            query = row("SELECT count(*) AS n", source, where)
    else:
        query = row("SELECT ", items, source, where)
    return question("K1", making, query)


def _stars(making: Making, sources: Sequence[tuple[Table, str]], chosen: Sequence[Column]) -> Piece:
    """Named columns mostly; a star of one table, which names no column twice."""
    if making.chance(0.15):
        return listed([f"{making.random.choice(sources)[1]}.*"])
    return listed(named([column.text for column in chosen]))


def _join(making: Making, sources: Sequence[tuple[Table, str]], at: int) -> Part:
    table, alias = sources[at]
    other, other_alias = making.random.choice(sources[:at])
    kind = making.random.choice(KINDS)
    if len(sources) == 2 and making.chance(0.1):
        return making.random.choice((f" CROSS JOIN {table.name} AS {alias}", f", {table.name} AS {alias}"))
    shared = [name for name in KEYS if name in table.columns and name in other.columns]
    key = making.random.choice(shared)
    on: list[Part] = [f"{other_alias}.{key} = {alias}.{key}"]
    if making.chance(0.25):
        second = making.random.choice(shared)
        on.append(f"{other_alias}.{second} = {alias}.{second}")
    if making.chance(0.25):
        both = columns_of(other, other_alias) + columns_of(table, alias)
        on.append(Expressions(making.random, both).test(0))
    return row(f" {kind} {table.name} AS {alias} ON ", all_of(on, least=1))


def _padded_where(making: Making, scopes: Sequence[Sequence[Column]]) -> Piece:
    """Conditions about single tables and about several."""
    everything = [column for scope in scopes for column in scope]
    makes = Expressions(making.random, everything)
    tests: list[Part] = []
    for _ in range(making.random.choice((1, 2, 2, 3))):
        if making.chance(0.6):
            own = Expressions(making.random, making.random.choice(scopes))
            tests.append(own.test(making.random.choice((0, 0, 1))))
        else:
            tests.append(makes.test(1))
    return all_of(tests, " WHERE ")


def renamed_joins(making: Making) -> Question:
    """Joins of every kind whose columns have no name in common: what is not expected to fail."""
    count = making.random.choice((2, 2, 3))
    scopes: list[list[Column]] = []
    texts: list[Part] = []
    for alias in ALIASES[:count]:
        table = making.random.choice(making.tables)
        columns = making.some([c for c in columns_of(table) if c.name not in ("id", "k")], 1, 3)
        columns += [Column("id", "INT"), Column("k", table.columns["k"])]
        items = ", ".join(f"{column.name} AS {alias}_{column.name}" for column in columns)
        scopes.append([Column(f"{alias}.{alias}_{column.name}", column.type) for column in columns])
        source = f"(SELECT {items} FROM {table.name}) AS {alias}"
        if len(scopes) == 1:
            texts.append(f" FROM {source}")
            continue
        other = making.random.choice(scopes[:-1])
        links: list[Part] = [f"{other[making.random.choice((-1, -2))].text} = {scopes[-1][-1].text}"]
        if making.chance(0.3):
            links.append(Expressions(making.random, other + scopes[-1]).test(0))
        texts.append(row(f" {making.random.choice(KINDS)} {source} ON ", all_of(links, least=1)))
    everything = [column for scope in scopes for column in scope]
    where = _padded_where(making, scopes)
    source_piece = row(texts[0], Piece(tuple(texts[1:]), least=0), where)
    if making.chance(0.3):
        by = making.random.choice(Expressions(making.random, everything).of("int", "text", "date", "bool")).text
        calls = named([aggregate(making, Expressions(making.random, everything)) for _ in range(2)])
        return question("joins", making, row(f"SELECT {by} AS g, ", listed(calls), source_piece, f" GROUP BY {by}"))
    items_piece = listed(named([column.text for column in making.some(everything, 1, 5)]))
    return question("joins", making, row("SELECT ", items_piece, source_piece))


def null_safe_joins(making: Making) -> Question:
    """K2: `=` beside IS NOT DISTINCT FROM, in chains of inner joins, as ON or in WHERE."""
    count = making.random.choice((2, 3, 3, 3))
    sources = [(making.random.choice(making.tables), alias) for alias in ALIASES[:count]]
    chosen = making.some([column for table, alias in sources for column in columns_of(table, alias)], 2, 4)
    items = listed(named([column.text for column in chosen]))
    conditions = [_equality(making, sources, at) for at in range(1, count)]
    if count == 2 or making.chance(0.3):
        conditions[-1] = all_of([conditions[-1], _equality(making, sources, count - 1)], least=1)
    where = Expressions(making.random, chosen).where(1)
    if making.chance(0.3):  # with commas
        names = ", ".join(f"{table.name} AS {alias}" for table, alias in sources)
        return question("K2", making, row("SELECT ", items, f" FROM {names}", all_of(conditions, " WHERE ")))
    joined = [
        row(f" {making.random.choice(('JOIN', 'JOIN', 'JOIN', 'LEFT JOIN'))} {table.name} AS {alias} ON ", on)
        for (table, alias), on in zip(sources[1:], conditions, strict=True)
    ]
    first = f" FROM {sources[0][0].name} AS a"
    return question("K2", making, row("SELECT ", items, first, Piece(tuple(joined), least=0), where))


def _equality(making: Making, sources: Sequence[tuple[Table, str]], at: int) -> Part:
    table, alias = sources[at]
    other, other_alias = making.random.choice(sources[:at])
    key = making.random.choice([name for name in KEYS[1:] if name in table.columns and name in other.columns])
    template = making.random.choice(("{x} = {y}", "{x} = {y}", "({x} IS NOT DISTINCT FROM {y})"))
    return filled(template, x=f"{other_alias}.{key}", y=f"{alias}.{key}")


def using_joins(making: Making) -> Question:
    """K6: the merged key of USING and NATURAL, as a column, in WHERE, in groups and in stars."""
    left, right = making.random.choice(making.tables), making.random.choice(making.tables)
    kind = making.random.choice(KINDS)
    is_natural = making.chance(0.25)
    keys = ["k"] if is_natural or making.chance(0.7) else ["id", "k"]
    own, other = _narrow(making, left, keys, "own"), _narrow(making, right, keys, "other")
    condition = Piece((), least=None) if is_natural else row(f" USING ({', '.join(keys)})")
    source = row(f" FROM {own} AS a {'NATURAL ' if is_natural else ''}{kind} {other} AS b", condition)
    merged = [Column(key, left.columns[key]) for key in keys]
    makes = Expressions(making.random, merged)
    where = makes.where(1, 0)
    head = making.random.choice(
        (
            row("SELECT ", listed([*keys, "own", "other"])),
            row("SELECT *"),
            filled("SELECT {v} AS c0, own, other", v=makes.value("int")),
        )
    )
    query = row(head, source, where)
    if making.chance(0.25):
        query = row(f"SELECT {keys[-1]}, count(*) AS n, max(own) AS m", source, where, f" GROUP BY {keys[-1]}")
    if making.chance(0.2):
        third = _narrow(making, making.random.choice(making.tables), keys, "third")
        source = row(source, f" {making.random.choice(KINDS)} {third} AS c USING ({', '.join(keys)})")
        query = row("SELECT ", listed([*keys, "own", "other", "third"]), source, where)
    return question("K6", making, query)


def _narrow(making: Making, table: Table, keys: Sequence[str], name: str) -> str:
    """The table with its keys and one column of a name of its own."""
    source = making.random.choice([column for column in table.columns if column not in ("s", "tags", "till", *keys)])
    return f"(SELECT {', '.join(keys)}, {source} AS {name} FROM {table.name})"
