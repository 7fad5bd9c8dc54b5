"""Plain queries compute values, set operations, DISTINCT and order: what is not expected to fail anywhere."""

from __future__ import annotations

from typing import Final

from tests.second_opinion.expressions import Column, Expressions, columns_of
from tests.second_opinion.pieces import Part, Piece, filled, listed, row
from tests.second_opinion.questions import Making, Question, named, question

SET_FAMILIES: Final = ("int", "text", "date", "decimal", "float", "bool", "time")
OPERATIONS: Final = ("UNION", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL")
OUTER: Final = ("JOIN", "LEFT JOIN", "JOIN")


def values(making: Making) -> Question:
    """Expressions of every family, and conditions of every depth."""
    table = making.random.choice(making.tables)
    makes = making.over(table)
    items = [makes.any_value(2) for _ in range(making.random.randint(1, 3))]
    query = row("SELECT id, ", listed(named(items)), f" FROM {table.name}", makes.where(2, 2))
    return question("values", making, query)


def sets(making: Making) -> Question:
    """Set operations of 2 or 3 queries of the same families, with other types and expressions."""
    families = making.random.sample(SET_FAMILIES, making.random.randint(1, 3))
    parts: list[Part] = []
    for at in range(making.random.choice((2, 2, 3))):
        table = making.random.choice(making.tables)
        makes = making.over(table)
        if at:
            parts.append(f" {making.random.choice(OPERATIONS)} ")
        items = [makes.value(family, 1 if making.chance(0.3) else 0) for family in families]
        parts.append(
            row(
                "SELECT ",
                Piece(tuple(row(item, f" AS c{at}") for at, item in enumerate(items)), ", "),
                f" FROM {table.name}",
                makes.where(1, 0),
            )
        )
    body = row(*parts, simpler=(parts[0], parts[-1]))
    if making.chance(0.2):
        order = ", ".join(f"c{at}{making.random.choice(('', ' DESC'))}" for at in range(len(families)))
        limit = making.random.choice((" LIMIT 5", " LIMIT 3 OFFSET 2", ""))
        if "float" not in families:  # -0.0 would make it another order
            return Question("sets", row(body, f" ORDER BY {order}{limit}"), is_ordered=True)
    if making.chance(0.2):
        return Question("sets", filled("SELECT c0, count(*) AS n FROM ({q}) AS u GROUP BY c0", (body,), q=body))
    return question("sets", making, body)


def distinct(making: Making) -> Question:
    """DISTINCT and DISTINCT ON, whose order is total."""
    table = making.random.choice(making.tables)
    makes = making.over(table)
    if making.chance(0.5):
        items = [makes.value(making.random.choice(SET_FAMILIES), 1) for _ in range(making.random.randint(1, 2))]
        query = row("SELECT DISTINCT ", listed(named(items)), f" FROM {table.name}", makes.where(1))
        return question("distinct", making, query)
    by = making.random.choice([c.text for c in makes.of("int", "text", "bool", "date") if c.text != "id"])
    second = making.random.choice(("id", "id DESC"))
    direction = making.random.choice(("", " DESC", " NULLS FIRST", " DESC NULLS LAST"))
    head = f"SELECT DISTINCT ON ({by}) {by}, id FROM {table.name}"
    return question("distinct", making, row(head, makes.where(1, 0), f" ORDER BY {by}{direction}, {second}"))


def ordered(making: Making) -> Question:
    """A total order with LIMIT and OFFSET, over one table or a join."""
    table, other = making.random.choice(making.tables), making.random.choice(making.tables)
    is_join = making.chance(0.4)
    columns = columns_of(table, "a") + (columns_of(other, "b") if is_join else [])
    makes = Expressions(making.random, columns)
    join = f" {making.random.choice(OUTER)} {other.name} AS b ON a.k = b.k" if is_join else ""
    total = ["a.id", "b.id AS other"] if is_join else ["a.id"]
    first: list[Column] = making.some(makes.of("int", "text", "date", "decimal", "bool", "time"), 1, 2)
    directions = ("", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC NULLS LAST")
    order = [column.text + making.random.choice(directions) for column in first]
    order += [f"{name.split()[0]}{making.random.choice(('', ' DESC'))}" for name in total]
    limit = making.random.choice((" LIMIT 1", " LIMIT 4", " LIMIT 5 OFFSET 3", " LIMIT 0", " OFFSET 2", ""))
    tail = f" ORDER BY {', '.join(order)}{limit}"
    query = row("SELECT ", ", ".join(total), f" FROM {table.name} AS a{join}", makes.where(1), tail)
    return Question("order", query, is_ordered=True)


def ordered_again(making: Making) -> Question:
    """N5: an order above one that is the same or begins alike, with LIMIT and OFFSET between them."""
    table = making.random.choice(making.tables)
    makes = making.over(table)
    first = making.random.choice([column.text for column in makes.of("int", "text", "date") if column.text != "id"])
    direction, total = making.random.choice(("", " DESC", " NULLS FIRST")), making.random.choice(("id", "id DESC"))
    order = f"{first}{direction}, {total}"
    limit = making.random.choice(
        (" LIMIT 2 OFFSET 1", " LIMIT 3 OFFSET 2", " LIMIT 5 OFFSET 4", " OFFSET 2", " LIMIT 3")
    )
    inner = row(f"SELECT id, {first} FROM {table.name}", makes.where(1, 0), f" ORDER BY {order}{limit}")
    outer = making.random.choice((order, order, f"{first}{direction}, id", "id", "id DESC"))
    again = making.random.choice(("", "", "", " LIMIT 2", " OFFSET 1"))
    form = making.random.choice(("SELECT * FROM ({q}) AS w", "WITH w AS ({q}) SELECT * FROM w"))
    return Question("N5", row(filled(form, (), q=inner), f" ORDER BY {outer}{again}"), is_ordered=True)
