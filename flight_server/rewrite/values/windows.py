"""Window functions are mended: LEAD past NULLs, and orders by INTERVAL.

The engine's `lead(v, n) IGNORE NULLS` misses values behind a gap; nth_value over the rows that follow finds them. By
an INTERVAL it refuses to order any window, for the sake of frames by RANGE, which it has no arithmetic for.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
from sqlglot import exp

from flight_server.rewrite.tree.blocks import Block, Blocks
from flight_server.rewrite.tree.dialect import Tree
from flight_server.rewrite.tree.names import call, folded, is_call, literal, number
from storage.whole_numbers import whole_number

_PARTS: Final = ("year", "month", "day", "hour", "minute", "second", "nanosecond")


def mend_lead(blocks: Blocks) -> None:
    """lead and lag with IGNORE NULLS, whatever the sign of their offset."""
    for block in blocks.all:
        for window in list(block.select.find_all(exp.Window)):
            if window.find_ancestor(exp.Select) is block.select and _ignores_nulls(window):
                _mend(block, window)


def mend_interval_orders(blocks: Blocks) -> None:
    """Ordered by the parts of the interval, in the order in which the engine compares them, unless a frame needs it."""
    for block in blocks.all:
        for window in block.select.find_all(exp.Window):
            if window.find_ancestor(exp.Select) is not block.select or not _is_frame_of_peers(window.args.get("spec")):
                continue
            written_out(block, window)
            order = window.args.get("order")
            keys = order.expressions if order is not None else []
            kinds = blocks.types(block, [ordered.this for ordered in keys], grouped=True)
            if any(kind is not None and pa.types.is_interval(kind) for kind in kinds):
                parts = [
                    _parts(one) if kind and pa.types.is_interval(kind) else [one]
                    for one, kind in zip(keys, kinds, strict=True)
                ]
                window.set("order", exp.Order(expressions=[one for some in parts for one in some]))


def _parts(ordered: exp.Ordered) -> list[exp.Ordered]:
    found = []
    for part in _PARTS:
        copy = ordered.copy()
        copy.set("this", call("date_part", literal(part), ordered.this.copy()))
        found.append(copy)
    return found


def _is_frame_of_peers(spec: exp.WindowSpec | None) -> bool:
    """The default: up to the last row that is equal in order."""
    if spec is None:
        return True
    bounds = (spec.args.get("start"), spec.args.get("end"))
    return spec.args.get("kind") == "RANGE" and all(bound in ("UNBOUNDED", "CURRENT ROW", None) for bound in bounds)


def written_out(block: Block, window: exp.Window) -> None:
    """OVER w as what WINDOW w says, so that a frame may be added."""
    name = folded(window.args.get("alias"))
    named = next((one for one in block.select.args.get("windows") or [] if folded(one.this) == name), None)
    if not name or named is None:
        return
    written_out(block, named)
    for clause in ("partition_by", "order", "spec"):
        value = named.args.get(clause)
        if value and not window.args.get(clause):
            window.set(clause, [one.copy() for one in value] if isinstance(value, list) else value.copy())
    window.set("alias", None)


def _function(window: exp.Window) -> Tree:
    node = window.this
    while isinstance(node, (exp.IgnoreNulls, exp.RespectNulls, exp.Filter)):
        node = node.this
    return node


def _ignores_nulls(window: exp.Window) -> bool:
    function = _function(window)
    inside = is_call(function, "lead", "lag") and any(isinstance(one, exp.IgnoreNulls) for one in function.expressions)
    return is_call(function, "lead", "lag") and (inside or isinstance(window.this, exp.IgnoreNulls))


def _mend(block: Block, window: exp.Window) -> None:
    function = _function(window)
    value, *more = [one.this if isinstance(one, exp.IgnoreNulls) else one for one in function.expressions]
    offset = _offset(more[0]) if more else 1
    if offset is None:
        return  # the engine says what it wants
    steps = offset if is_call(function, "lead") else -offset
    if steps <= 0:
        renamed = call("lag", value.copy(), number(-steps), *[one.copy() for one in more[1:]])
        window.set("this", exp.IgnoreNulls(this=renamed))
        return
    written_out(block, window)
    window.set("this", exp.IgnoreNulls(this=call("nth_value", value.copy(), number(steps))))
    window.set("spec", _rows("1", "FOLLOWING", "UNBOUNDED", "FOLLOWING"))
    if more[1:]:
        whole = window.copy()
        window.replace(call("coalesce", whole, more[1].copy()))


def _offset(node: Tree) -> int | None:
    if isinstance(node, exp.Neg):
        inner = _offset(node.this)
        return None if inner is None else -inner
    return whole_number(node.this) if isinstance(node, exp.Literal) and not node.is_string else None


def _rows(start: str, start_side: str, end: str, end_side: str | None) -> exp.WindowSpec:
    return exp.WindowSpec(kind="ROWS", start=start, start_side=start_side, end=end, end_side=end_side)
