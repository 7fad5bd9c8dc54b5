"""Sliding sums of floats count what is not finite apart: an infinity stays in the engine's sum when it left the frame.

What is not finite is counted apart, and the sum is over the rest:
    CASE WHEN it holds a NaN, or both infinities, THEN NaN WHEN it holds one THEN that one ELSE sum(finite) END
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from sqlglot import exp

from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import bracketed, call, is_call, literal, number
from flight_server.rewrite.values.windows import written_out

_SUMS: Final = ("sum", "avg", "mean")
_SPREADS: Final = ("stddev", "stddev_samp", "stddev_pop", "var", "var_samp", "var_pop", "var_population", "var_sample")


def mend_sliding_sums(blocks: Blocks) -> None:
    """sum, avg, stddev and var of floats whose frame leaves rows behind."""
    for block in blocks.all:
        for window in list(block.select.find_all(exp.Window)):
            if window.find_ancestor(exp.Select) is block.select:
                _mend(blocks, block, window)


def _mend(blocks: Blocks, block: Block, window: exp.Window) -> None:
    function = window.this.this if isinstance(window.this, exp.Filter) else window.this
    if not is_call(function, *_SUMS, *_SPREADS) or len(function.expressions) != 1:
        return
    written_out(block, window)
    spec = window.args.get("spec")
    value = function.expressions[0]
    if spec is None or spec.args.get("start") == "UNBOUNDED" or isinstance(value, exp.Distinct):
        return
    [kind] = blocks.types(block, [value], grouped=True)
    if kind is not None and pa.types.is_floating(kind):
        window.replace(exp.Paren(this=_apart(window, function, value)))


def _apart(window: exp.Window, function: Tree, value: Tree) -> exp.Case:
    nan = call("isnan", value.copy())
    plus, minus = (exp.EQ(this=bracketed(value.copy()), expression=_double(text)) for text in ("Infinity", "-Infinity"))
    finite = exp.Not(this=exp.Paren(this=_either(_either(nan, plus), minus)))
    kept = exp.Case(ifs=[exp.If(this=finite, true=value.copy())])
    over_finite = _over(window, call(function.this, kept))
    nans, pluses, minuses = (_holds(window, one) for one in (nan, plus, minus))
    if is_call(function, *_SPREADS):
        unknown = exp.If(this=_either(_either(nans, pluses), minuses), true=_double("NaN"))
        return exp.Case(ifs=[unknown], default=over_finite)
    both = exp.Paren(this=exp.And(this=pluses, expression=minuses))
    return exp.Case(
        ifs=[
            exp.If(this=_either(nans, both), true=_double("NaN")),
            exp.If(this=pluses.copy(), true=_double("Infinity")),
            exp.If(this=minuses.copy(), true=_double("-Infinity")),
        ],
        default=over_finite,
    )


def _holds(window: exp.Window, condition: Tree) -> Tree:
    one = exp.Case(ifs=[exp.If(this=condition.copy(), true=number(1))])
    return exp.GT(this=_over(window, call("count", one)), expression=number(0))


def _over(window: exp.Window, function: Tree) -> exp.Window:
    copy = window.copy()
    inner = copy.this
    if isinstance(inner, exp.Filter):
        inner.set("this", function)
    else:
        copy.set("this", function)
    return copy


def _either(one: Tree, other: Tree) -> Tree:
    return exp.Or(this=one.copy(), expression=other.copy())


def _double(text: str) -> Tree:
    return exp.Cast(this=literal(text), to=exp.DataType.build("DOUBLE", dialect="postgres"))
