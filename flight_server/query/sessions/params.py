"""Parameter binding tells which types placeholders (`$1`) want, and binds values to them.

DataFusion infers a placeholder's type from what it is compared with or added to, and keeps it inside the plan.
Python sees a plan as a tree of differently shaped wrappers, so the walk below asks each wrapper for everything
that may hold an expression or a plan. What the walk can't see is given the null type ("unknown").

DataFusion puts values in only after it has planned without them, so where a type decides (sum($1)) or a literal is
wanted (generate_series(1, $1)) the plan fails, values or not. For these the value's text goes into the statement.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa
from datafusion import DataFrame, Expr, SessionContext

from flight_server.parser.text.lexer import TokenKind, lex
from storage.whole_numbers import whole_number

_PLACES_MAX: Final = 100_000  # nodes looked at: a bound on the walk, not on statements

_LEAVES: Final = frozenset({"Column", "Literal", "OuterReferenceColumn", "ScalarVariable", "Wildcard"})
# Where each wrapper keeps expressions and plans; a plan's own inputs come from `inputs()`.
_EXPRESSION_PARTS: Final = (
    "expr", "left", "right", "low", "high", "pattern", "list", "args", "when_then_expr", "case_expr", "else_expr",
    "expr_list", "subquery", "aggregate_args",
)  # fmt: skip
_PLAN_PARTS: Final = (
    "predicate", "projections", "filter", "on", "group_by_exprs", "aggregate_exprs", "sort_exprs", "values",
    "window_exprs", "exprs", "on_expr", "select_expr", "sort_expr",
)  # fmt: skip
_BOUNDS: Final = ("skip", "fetch")  # of LIMIT and OFFSET: always counts


def placeholders_in(sql: str) -> list[str]:
    """Names ("1") of the placeholders in the text, in numeric order. Raises InvalidRequest (unreadable text)."""
    names = {token.value.removeprefix("$") for token in lex(sql) if token.kind is TokenKind.PARAMETER}
    return sorted((name for name in names if whole_number(name)), key=int)


def parameter_types(
    context: SessionContext, sql: str, statement: DataFrame, *, may_fold: bool = True
) -> dict[str, pa.DataType]:
    """Placeholder name ("1") -> the type it wants; null type where it is unknown."""
    names = placeholders_in(sql)
    if not names:
        return {}
    walk = _Walk(context)
    walk.plan(statement.logical_plan())
    if may_fold and not walk.types.keys() >= set(names):
        # Subqueries are closed boxes in Python; the optimizer turns most of them into joins.
        optimized = _quietly(statement.optimized_logical_plan)
        if optimized is not None:
            walk.plan(optimized)
    return {name: walk.types.get(name, pa.null()) for name in names}


def literal(value: pa.Scalar) -> str | None:
    """`value` as SQL text; None when it has no plain one."""
    try:
        found = value.as_py()
    except (OverflowError, ValueError):  # a time or duration that Python has none for
        return None
    if found is None:
        return "NULL"
    if isinstance(found, bool):
        return str(found).upper()
    if isinstance(found, (int, float)) and math.isfinite(found):
        return f"({found!r})" if found < 0 else repr(found)
    if isinstance(found, str) and "\\" not in found and "\x00" not in found:
        return "'" + found.replace("'", "''") + "'"
    return None


def spelled(sql: str, texts: Mapping[str, str]) -> str:
    """`sql` with its placeholders replaced by SQL text, where `texts` has one."""
    for token in reversed(lex(sql)):
        text = texts.get(token.value.removeprefix("$")) if token.kind is TokenKind.PARAMETER else None
        if text is not None:
            sql = sql[: token.start] + text + sql[token.end :]
    return sql


class _Walk:
    def __init__(self, context: SessionContext) -> None:
        self.types: dict[str, pa.DataType] = {}
        self._context = context
        self._places = 0

    def plan(self, plan: Any) -> None:
        """A plan and all below it."""
        variant = _quietly(plan.to_variant)
        for name in _PLAN_PARTS:
            self.any(_part(variant, name), None)
        for name in _BOUNDS:
            self.any(_part(variant, name), pa.int64())
        for below in plan.inputs():
            self.plan(below)

    def any(self, value: Any, wanted: pa.DataType | None) -> None:
        """Whatever a wrapper gave: an expression, a plan, a list of them, or nothing of the kind."""
        self._places += 1
        if value is None or isinstance(value, (str, bytes, int)) or self._places > _PLACES_MAX:
            return
        if isinstance(value, (list, tuple)):
            for item in value:
                self.any(item, wanted)
        elif hasattr(value, "variant_name"):
            self.expression(value, wanted)
        elif hasattr(value, "inputs"):
            self.plan(value)
        elif hasattr(value, "input"):
            self.any(_quietly(value.input), None)
        elif hasattr(value, "expr"):
            self.any(_quietly(value.expr), wanted)

    def expression(self, raw: Any, wanted: pa.DataType | None) -> None:
        kind = raw.variant_name()
        if kind in _LEAVES:
            return
        if kind == "Placeholder":
            self._found(raw, wanted)
            return
        target = self._type_of(raw) if kind in ("Cast", "TryCast") else None
        for part in self._parts(raw):
            self.any(part, target)

    def _parts(self, raw: Any) -> Iterable[Any]:
        variant = _quietly(raw.to_variant)
        if variant is None:  # functions have no wrapper, but tell their operands
            return _quietly(raw.rex_call_operands) or ()
        return [part for name in _EXPRESSION_PARTS if (part := _part(variant, name)) is not None]

    def _found(self, raw: Any, wanted: pa.DataType | None) -> None:
        name = raw.to_variant().id().removeprefix("$")
        inferred = self._type_of(raw)
        if pa.types.is_null(inferred) and wanted is not None:
            inferred = wanted
        if pa.types.is_null(self.types.get(name, pa.null())):
            self.types[name] = inferred

    def _type_of(self, raw: Any) -> pa.DataType:
        """The wrapper of a type tells nothing, but a plan that selects the expression has an Arrow schema."""
        try:
            return self._context.empty_table().select(Expr(raw)).schema().field(0).type
        except Exception:  # an expression over columns can't stand alone
            return pa.null()


def _part(variant: Any, name: str) -> Any:
    getter = getattr(variant, name, None)
    return _quietly(getter) if callable(getter) else None


def _quietly(getter: Any) -> Any:
    try:
        return getter()
    except Exception:  # a wrapper that is not written yet upstream: unknown, not wrong
        return None
