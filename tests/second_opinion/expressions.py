"""Expressions are made by family of type from templates; a blank is a column, a literal or a deeper expression.

Only what both sides compute alike is here: what they do not is in dialect.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.second_opinion.pieces import Part, Piece, all_of, filled
from tests.second_opinion.tables import Table

FAMILIES: Final = {
    "INT": "int",
    "BIGINT": "int",
    "SMALLINT": "int",
    "DECIMAL(10, 2)": "decimal",
    "DOUBLE": "float",
    "REAL": "float",
    "VARCHAR": "text",
    "DATE": "date",
    "TIMESTAMP": "time",
    "BOOLEAN": "bool",
    "INTERVAL": "interval",
    "STRUCT<a INT, y VARCHAR>": "struct",
    "INT[]": "list",
}
ORDERED: Final = ("int", "decimal", "float", "text", "date", "time", "bool")  # can be compared on both sides alike
NUMERIC: Final = ("int", "decimal", "float")

LITERALS: Final[dict[str, tuple[str, ...]]] = {
    "int": ("0", "1", "2", "3", "5", "7", "-1"),
    "decimal": tuple(f"CAST('{n}' AS DECIMAL(10, 2))" for n in ("0.00", "1.25", "-2.50", "2.99")),
    "float": tuple(f"CAST('{n}' AS DOUBLE)" for n in ("1.5", "-2", "NaN", "Infinity", "-Infinity", "2.5")),
    "text": ("''", "'a'", "'b'", "'frost'", "'ä'", "'it''s'", "'日本'"),
    "date": ("DATE '2026-01-15'", "DATE '2026-02-01'", "DATE '2025-12-31'"),
    "time": ("TIMESTAMP '2026-01-01 12:00:00'", "TIMESTAMP '2025-12-15 00:00:00.250'"),
    "bool": ("true", "false"),
}
_COMPARED: Final = (
    "{x} = {y}", "{x} <> {y}", "{x} < {y}", "{x} <= {y}", "{x} > {y}", "{x} >= {y}", "{x} BETWEEN {y} AND {z}",
)  # fmt: skip
_NULL_AWARE: Final = (
    "{x} IS NULL", "{x} IS NULL", "{x} IS NOT NULL", "({x} IS DISTINCT FROM {y})", "({x} IS NOT DISTINCT FROM {y})",
    "coalesce({x}, {l}) = {y}", "coalesce({x}, {l}) <> {m}", "nullif({x}, {l}) IS NULL",
)  # fmt: skip
_LISTED: Final = ("{x} IN ({l}, {m})", "{x} NOT IN ({l}, {m})", "{x} IN ({l}, {y})")
_TEXT: Final = (
    "{x} LIKE 'a%'", "{x} LIKE '%r_s%'", "{x} NOT LIKE '%a%'", "{x} ILIKE 'A%'", "starts_with({x}, 'fr')",
    "length({x}) > 1", "upper({x}) = 'A'",
)  # fmt: skip
_BOOL: Final = ("{x}", "NOT {x}", "{x} IS TRUE", "{x} IS NOT TRUE", "{x} IS FALSE", "{x} IS NOT FALSE")
TESTS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("int", "decimal", "date", "time"), (*_COMPARED, *_NULL_AWARE, *_LISTED)),
    "float": (*_COMPARED, *_NULL_AWARE),  # with lists and zeros they are K9's
    "text": (*_COMPARED, *_NULL_AWARE, *_LISTED, *_TEXT),
    "bool": (*_BOOL, *_NULL_AWARE),
    "interval": ("{c} IS NULL", "{c} IS NOT NULL"),
    "list": ("{c} IS NULL", "{c} IS NOT NULL", "{c}[1] = 2", "array_length({c}) > 1"),
}

# {int}, {text} ..: an expression of that family; {test}: a condition.
VALUES: Final[dict[str, tuple[str, ...]]] = {
    "int": (
        "{int} + {int}", "{int} - {int}", "{int} * 2", "(- {int})", "abs({int})", "coalesce({int}, {int})", "{int} % 3",
        "{int} / 2", "CAST({int} AS BIGINT)", "length({text})", "extract(year FROM {date})", "greatest({int}, {int})",
        "extract(month FROM {time})", "extract(day FROM {date})", "CASE WHEN {test} THEN {int} ELSE {int} END",
        "CASE WHEN {test} THEN {int} END", "CASE {int} WHEN 1 THEN {int} WHEN 2 THEN 0 END", "nullif({int}, {int})",
        "CAST({bool} AS INT)", "least({int}, {int})", "{int} / nullif({int}, 0)", "strpos({text}, 'a')",
    ),
    "decimal": (
        "{decimal} + {decimal}", "(- {decimal})", "abs({decimal})", "coalesce({decimal}, {decimal})",
        "CAST({int} AS DECIMAL(18, 3))", "CASE WHEN {test} THEN {decimal} ELSE {decimal} END",
        "nullif({decimal}, {decimal})", "round({decimal}, 1)",
    ),
    "float": (
        "{float} + {float}", "(- {float})", "abs({float})", "coalesce({float}, {float})", "CAST({int} AS DOUBLE)",
        "CAST({decimal} AS DOUBLE)", "CASE WHEN {test} THEN {float} END", "CAST({float} AS REAL)", "floor({float})",
        "{float} * CAST('0.5' AS DOUBLE)",
    ),
    "text": (
        "upper({text})", "lower({text})", "{text} || {text}", "concat({text}, 'z')", "substr({text}, 2)",
        "substr({text}, 1, 2)", "coalesce({text}, {text})", "trim({text})", "replace({text}, 'a', 'oo')",
        "CAST({int} AS VARCHAR)", "CASE WHEN {test} THEN {text} ELSE 'else' END", "left({text}, 1)", "reverse({text})",
        "nullif({text}, '')", "lpad({text}, 3, '*')", "CAST({date} AS VARCHAR)", "right({text}, 2)",
        "split_part({text}, ' ', 1)", "CAST({bool} AS VARCHAR)",
    ),
    "date": (
        "coalesce({date}, {date})", "CAST({time} AS DATE)", "CASE WHEN {test} THEN {date} END",
        "nullif({date}, {date})", "greatest({date}, {date})", "date_trunc('month', {date})",
                "CAST(CAST({date} AS VARCHAR) AS DATE)",
    ),
    "time": (
        "date_trunc('day', {time})", "coalesce({time}, {time})", "CAST({date} AS TIMESTAMP)",
        "{time} + INTERVAL '36 hours'", "{time} - INTERVAL '1 month'", "CASE WHEN {test} THEN {time} END",
        "date_trunc('hour', {time})",
    ),
    "bool": ("{test}", "{bool} AND {test}", "{bool} OR {bool}", "NOT {bool}", "coalesce({bool}, {test})"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    text: str
    type: str

    @property
    def family(self) -> str:
        return FAMILIES[self.type]

    @property
    def name(self) -> str:
        return self.text.rpartition(".")[2]


def columns_of(table: Table, alias: str = "", but: Sequence[str] = ("till", "s")) -> list[Column]:
    """The columns that any expression may use; far times and structs have grammars of their own (K10f, K5)."""
    lead = f"{alias}." if alias else ""
    return [Column(lead + name, type_) for name, type_ in table.columns.items() if name not in but]


@dataclass(frozen=True, slots=True)
class Expressions:
    """Makes them over these columns."""

    random: Random
    columns: Sequence[Column]
    columns_share: float = 0.7

    def of(self, *families: str) -> list[Column]:
        return [column for column in self.columns if column.family in families]

    def column(self, *families: str) -> str | None:
        found = self.of(*families)
        return self.random.choice(found).text if found else None

    def literal(self, family: str) -> str:
        return self.random.choice(LITERALS[family])

    def operand(self, family: str) -> str:
        """A column mostly, else a literal."""
        found = self.column(family)
        return found if found is not None and self.random.random() < self.columns_share else self.literal(family)

    def value(self, family: str, depth: int = 1) -> Part:
        if depth <= 0 or family not in VALUES or self.random.random() < 0.4:
            return self.operand(family)
        template = self.random.choice(VALUES[family])
        parts: dict[str, Part] = {
            blank: self.test(depth - 1) if blank == "test" else _once(self.value(blank, depth - 1))
            for blank in (*VALUES, "test")
            if f"{{{blank}}}" in template
        }
        return filled(template, self._simpler(family, parts), **parts)

    def _simpler(self, family: str, parts: dict[str, Part]) -> Iterable[Part]:
        return (*([parts[family]] if family in parts else []), *(column.text for column in self.of(family)[:1]))

    def any_value(self, depth: int = 1) -> Part:
        return self.value(self.random.choice([f for f in VALUES if f != "bool"]), depth)

    def test(self, depth: int = 1, columns: Sequence[Column] | None = None) -> Part:
        """A condition; `columns`: about one of these."""
        random = self.random
        if depth > 0 and random.random() < 0.45:
            left, right = self.test(depth - 1, columns), self.test(depth - 1)
            template = random.choice(("({a} AND {b})", "({a} OR {b})", "({a} OR {b})", "NOT ({a})"))
            return filled(template, (left, right), a=left, b=right)
        column = random.choice(columns or self.columns)
        family = column.family
        template = random.choice(TESTS[family])
        parts: dict[str, Part] = {"c": column.text}
        if family in LITERALS:
            others = {name: self.operand(family) for name in "yz"} | {name: self.literal(family) for name in "lm"}
            parts |= {"x": column.text, **others}
        return filled(template, (), **{name: part for name, part in parts.items() if f"{{{name}}}" in template})

    def tests(self, most: int = 2, depth: int = 1) -> list[Part]:
        return [self.test(depth) for _ in range(self.random.randint(0, most))]

    def where(self, most: int = 2, depth: int = 1) -> Piece:
        return all_of(self.tests(most, depth), " WHERE ")


def _once(part: Part) -> Part:
    """In brackets, unless it is one word."""
    return part if isinstance(part, str) else filled("({p})", (part,), p=part)
