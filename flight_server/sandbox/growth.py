"""Growth bounds how much a plan makes of what it reads, or says why nothing bounds it.

Measured per row: how often a value that is read may be in a value that is made, and how many bytes of the statement's
own come to it. A projection over a projection multiplies. Most plans name plain functions
only, which a look at their text tells; the others are walked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from flight_server.query.apart import BOUNDED, Bounds
from flight_server.sandbox.functions import APART, CASTING, COUNTED, FIXED, JOINING, MULTIPLYING, PASSING, PLAIN
from flight_server.sandbox.written_sizes import fixed_sizes, texts_of

TIMES_MAX: Final = 16
OWN_BYTES_MAX: Final = 4096  # a batch has up to 32,768 rows
TEXT_BYTES_MAX: Final = 4 << 20  # in one row
BATCH_BYTES: Final = 128 << 20
COUNT_MAX: Final = 1000  # copies or characters that a literal may ask one call for
SHORT_LITERAL_BYTES: Final = 64
WIDE_TYPE: Final = 1 << 16  # values of a fixed-size type
NODES_MAX: Final = 20_000

_CALLED: Final = re.compile(r"\b([a-z_][a-z0-9_]*)\(")
_PATTERN: Final = re.compile(r" (?:NOT )?(?:~\*?|!~\*?|SIMILAR TO) | LIKE (?!Utf8)| ILIKE (?!Utf8)")
_HARMLESS: Final = PLAIN | {"outer_ref"}  # which is how a plan shows a column from outside of a subquery
_LOOK: Final = ("||", "Unnest:", "RecursiveQuery:", "...", "FixedSize")


@dataclass(frozen=True, slots=True)
class Growth:
    """columns: how often the value of each may be in what is made; own_bytes: of the statement's own"""

    columns: Mapping[str, float] = field(default_factory=dict)
    own_bytes: float = 0

    @property
    def times(self) -> float:
        """A row that is made has at most so many times the bytes of the row that it is made of."""
        return max(self.columns.values(), default=0)

    def beside(self, other: Growth) -> Growth:
        columns = dict(self.columns)
        for name, times in other.columns.items():
            columns[name] = columns.get(name, 0) + times
        return Growth(columns, self.own_bytes + other.own_bytes)

    def most(self, other: Growth) -> Growth:
        columns = dict(self.columns)
        for name, times in other.columns.items():
            columns[name] = max(columns.get(name, 0), times)
        return Growth(columns, max(self.own_bytes, other.own_bytes))

    def multiplied(self, factor: float, own_bytes: float = 0) -> Growth:
        columns = {name: times * factor for name, times in self.columns.items()}
        return Growth(columns, self.own_bytes * factor + own_bytes)

    def over(self, below: Growth) -> Growth:
        """Made of what was made below."""
        columns = {name: times * max(below.times, 1) for name, times in self.columns.items()}
        return Growth(columns, self.own_bytes + self.times * below.own_bytes)


NUMBER: Final = Growth(own_bytes=16)


class Unbounded(Exception):
    """Nothing bounds the plan; the text says why."""


def bounds_of(plan: Any, shown: str, sql: str, params: Mapping[str, pa.Scalar] | None, row_bytes: float = 0) -> Bounds:
    """How the plan can be run.

    plan:      a logical plan, not optimized: its constants are not folded yet
    shown:     its indented text
    row_bytes: of the largest rows that are read
    """
    longest = _longest_literal(sql, params)
    if not _needs_look(shown, longest):
        return _in_batches(row_bytes)
    try:
        _check_types(shown)
        _check_subqueries(shown, longest)
        own_bytes = _Walk().check(plan)
    except Unbounded as why:
        return Bounds(apart=str(why))
    except RecursionError:
        return Bounds(apart="very many operators in a chain")
    return _in_batches(max(own_bytes, row_bytes))


def _in_batches(row_bytes: float) -> Bounds:
    """Of a power of two of rows, so that few contexts are needed."""
    if row_bytes <= OWN_BYTES_MAX:
        return BOUNDED
    return Bounds(batch_rows=1 << max(4, int(BATCH_BYTES // row_bytes).bit_length() - 1))


def _needs_look(shown: str, longest: int) -> bool:
    if longest > OWN_BYTES_MAX or _PATTERN.search(shown) is not None or any(word in shown for word in _LOOK):
        return True
    return not _HARMLESS.issuperset(_CALLED.findall(shown))


def _longest_literal(sql: str, params: Mapping[str, pa.Scalar] | None) -> int:
    texts = 0
    if len(sql) > OWN_BYTES_MAX // 4:  # else none can be that long
        texts = max((len(found.encode()) for found in texts_of(sql)), default=0)
    return max(texts, *(_scalar_bytes(value) for value in (params or {}).values()), 0)


def _scalar_bytes(value: pa.Scalar) -> int:
    if pa.types.is_primitive(value.type) or not value.is_valid:
        return 16
    return int(pa.repeat(value, 1).nbytes)


def _check_types(shown: str) -> None:
    """Raises Unbounded for a type whose one value is wide, NULL too."""
    width = 1
    for number in fixed_sizes(shown):
        width = max(width, min(int(number[:12]), WIDE_TYPE + 1))
        if width > WIDE_TYPE:
            raise Unbounded("a type of a fixed size is wide")
    if len(re.findall(r"FixedSizeList", shown)) > 1 and width > SHORT_LITERAL_BYTES:
        raise Unbounded("lists of a fixed size stand inside each other")


def _check_subqueries(shown: str, longest: int) -> None:
    """Raises Unbounded for a subquery that is not plain: in Python they are closed boxes."""
    if any(_needs_look(found[2], longest) for found in _SUBQUERY.finditer(shown)):
        raise Unbounded("a query as a value has more than plain functions")


class _Walk:
    """Over one plan."""

    def __init__(self) -> None:
        self._own_bytes = 0.0
        self._nodes = 0
        self._made = Growth()  # at most, by the node that is looked at: in its results, and on the way to them
        self._called: list[str] = []

    def check(self, plan: Any) -> float:
        """Bytes of the statement's own that come to each row, at most. Raises Unbounded."""
        self.plan(plan)
        is_read = not all(type(node).__name__ in _OF_THE_TEXT for node in _variants(plan))
        return self._own_bytes if is_read else 0.0

    def plan(self, plan: Any) -> Growth:
        variant = _variant(plan)
        kind = type(variant).__name__
        if kind not in _PLANS:
            raise Unbounded(f"the plan has a step of its own kind: {kind}")
        below = Growth()
        for part in plan.inputs():
            below = below.most(self.plan(part))
        self._made = Growth()
        for name in _PLANS[kind]:
            for expression in _flat(getattr(variant, name)()):
                self._make(self._expression(expression))
        made = self._made.over(below)
        self._own_bytes = max(self._own_bytes, made.own_bytes)
        if made.times > TIMES_MAX or made.own_bytes > TEXT_BYTES_MAX:
            raise Unbounded("values are put together of others many times over")
        return made if kind in _MAKING else below.most(made) if kind == "WindowExpr" else below

    def _make(self, value: Growth) -> Growth:
        """It is put together, be it for a moment."""
        self._made = self._made.most(value)
        return value

    def _expression(self, raw: Any) -> Growth:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise Unbounded("the statement has very many parts")
        kind = raw.variant_name()
        if kind in ("Column", "OuterReferenceColumn"):
            return Growth({raw.canonical_name(): 1})
        if kind in ("Literal", "Placeholder"):
            return Growth(own_bytes=max(16, len(raw.canonical_name())))
        if kind == "GroupingSet":  # its parts have no wrapper
            if not _HARMLESS.issuperset(_CALLED.findall(raw.canonical_name())):
                raise Unbounded("a grouping set over more than plain expressions")
            return NUMBER
        operands = () if kind in ("Exists", "ScalarSubquery") else _operands(raw)
        if kind not in _CALLS:
            return self._operator(raw, kind, operands)
        seen = len(self._called)
        found = self._make(self._call(_function_name(raw), operands))
        if kind != "ScalarFunction":  # FILTER, ORDER BY and PARTITION BY are in its text alone
            hidden = Counter(_CALLED.findall(raw.canonical_name()))
            hidden.subtract(self._called[seen:])
            if not _HARMLESS.issuperset(+hidden):
                raise Unbounded("an aggregate or window with more than plain functions in its clauses")
        return found

    def _operator(self, raw: Any, kind: str, operands: Sequence[Any]) -> Growth:
        inside = self._all(operands)
        if kind == "BinaryExpr":
            operator = raw.rex_call_operator()
            if operator == "||":
                return self._make(inside)
            if operator in _REGEX and not _is_simple_pattern(operands[1]):
                raise Unbounded("a pattern that is long or not a literal")
            return NUMBER
        if kind in ("Like", "ILike", "SimilarTo"):
            if not (_is_simple_pattern(operands[1]) if kind == "SimilarTo" else _is_literal(operands[1])):
                raise Unbounded("a pattern that is long or not a literal")
            return NUMBER
        return NUMBER if kind in _TRUTHS else inside

    def _call(self, name: str, operands: Sequence[Any]) -> Growth:
        self._called.append(name)
        inside = self._all(operands)
        if name in FIXED:
            return NUMBER
        if name in PASSING or name in JOINING or name in CASTING:
            return inside
        if name in COUNTED:
            return self._counted(name, operands, inside)
        if name in MULTIPLYING:
            return self._multiplied(name, operands, inside)
        raise Unbounded(f"{name}()" if name in APART else "a function that is not known")

    def _counted(self, name: str, operands: Sequence[Any], inside: Growth) -> Growth:
        at = COUNTED[name]
        if len(operands) <= at:
            return inside
        count = _whole_number(operands[at])
        if count is None or not 0 <= count <= (10_000 if name.startswith("approx") else COUNT_MAX):
            raise Unbounded(f"{name}() with a large number or one that is not a literal")
        if name.startswith("approx"):
            return NUMBER
        if name in ("lpad", "rpad"):
            return inside.beside(Growth(own_bytes=4 * count))
        return self._expression(operands[0]).multiplied(max(count, 1), 16 * count)

    def _multiplied(self, name: str, operands: Sequence[Any], inside: Growth) -> Growth:
        if not all(_is_short(operand) for operand in operands[1:]):
            raise Unbounded(f"{name}() with a long argument or one that is not a literal")
        if name.startswith("regexp"):
            if not _is_simple_pattern(operands[1]):
                raise Unbounded(f"{name}() with a pattern that repeats")
            if name != "regexp_replace":
                return inside
        factor = max((len(operand.canonical_name()) for operand in operands[2:] or operands[1:]), default=1)
        factor = max(1, factor - len('Utf8("")'))
        return inside.multiplied(factor, factor)

    def _all(self, operands: Sequence[Any]) -> Growth:
        found = Growth()
        for operand in operands:
            found = found.beside(self._expression(operand))
        return found


# Nodes of a plan -> what holds their expressions.
_PLANS: Final[Mapping[str, tuple[str, ...]]] = {
    "Aggregate": ("group_by_exprs", "aggregate_exprs"),
    "Analyze": (),
    "Distinct": (),
    "EmptyRelation": (),
    "Explain": (),
    "Filter": ("predicate",),
    "Join": ("on", "filter"),
    "Limit": (),
    "Projection": ("projections",),
    "Repartition": (),
    "Sort": ("sort_exprs",),
    "SubqueryAlias": (),
    "TableScan": (),
    "Union": (),
    "Values": ("values",),
    "WindowExpr": ("get_window_expr",),
}
_MAKING: Final = frozenset({"Projection", "Aggregate", "Values"})
_OF_THE_TEXT: Final = frozenset({"Projection", "EmptyRelation", "Values", "SubqueryAlias", "Filter", "Limit", "Sort"})
_SUBQUERY: Final = re.compile(r"^( *)Subquery:\n((?:\1 +.*\n?)*)", re.MULTILINE)
_TRUTHS: Final = frozenset(
    {"Between", "Exists", "InList", "InSubquery", "IsFalse", "IsNotFalse", "IsNotNull", "IsNotTrue", "IsNotUnknown"}
    | {"IsNull", "IsTrue", "IsUnknown", "Not"}
)
_REGEX: Final = frozenset({"~", "~*", "!~", "!~*"})
_CALLS: Final = frozenset({"ScalarFunction", "AggregateFunction", "WindowFunction"})
_NAME: Final = re.compile(r"\A([a-z_]\w*)\(")
_REPEATING: Final = re.compile(r"\{|[+*]\s*+(?:\)\s*+)?[+*]")


def _variants(plan: Any) -> list[Any]:
    return [_variant(plan), *(found for part in plan.inputs() for found in _variants(part))]


def _variant(plan: Any) -> Any:
    try:
        return plan.to_variant()
    except Exception:
        raise Unbounded("the plan has a step that can't be looked at") from None


def _operands(raw: Any) -> Sequence[Any]:
    try:
        return raw.rex_call_operands()
    except Exception:
        raise Unbounded("an expression that can't be looked at") from None


def _function_name(raw: Any) -> str:
    found = _NAME.match(raw.canonical_name())
    if found is None:
        raise Unbounded("a function that is not known")
    return found[1]


def _flat(found: Any) -> list[Any]:
    if found is None:
        return []
    if isinstance(found, (list, tuple)):
        return [inner for item in found for inner in _flat(item)]
    if hasattr(found, "expr") and not hasattr(found, "variant_name"):
        return _flat(found.expr())
    return [found]


def _is_literal(raw: Any) -> bool:
    kind = raw.variant_name()
    return kind == "Literal" or (kind in ("Cast", "Alias") and _is_literal(_operands(raw)[0]))


def _is_short(raw: Any) -> bool:
    return _is_literal(raw) and len(raw.canonical_name()) <= SHORT_LITERAL_BYTES


def _is_simple_pattern(raw: Any) -> bool:
    """A regular expression that is short and has no counted or doubled repetition."""
    return _is_short(raw) and _REPEATING.search(raw.canonical_name()) is None


def _whole_number(raw: Any) -> int | None:
    found = re.fullmatch(r"U?Int\d+\((-?\d+)\)", raw.canonical_name())
    return None if found is None else int(found[1])
