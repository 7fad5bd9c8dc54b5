"""One query rewritten: read, looked through, mended step by step, written back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from flight_server.rewrite.aliases import rename_hidden_aliases
from flight_server.rewrite.blocks import Block, Blocks, SchemaOf
from flight_server.rewrite.casts import tell_casts_apart
from flight_server.rewrite.correlation import mend_unequal_correlation
from flight_server.rewrite.dialect import read, written
from flight_server.rewrite.floats import mend_extremes, mend_keys
from flight_server.rewrite.groups import KeyOf, add_determined_columns
from flight_server.rewrite.guards import guard_divisions
from flight_server.rewrite.joins import has_mendable_joins, name_keys, turn
from flight_server.rewrite.outputs import KeptNames, ToldApart
from flight_server.rewrite.precompute import precompute
from flight_server.rewrite.stars import expand, has_star
from flight_server.rewrite.steps import Step
from flight_server.rewrite.subqueries import mend_subqueries
from flight_server.rewrite.windows import mend_interval_orders, mend_lead

_STEPS: Final[Mapping[Step, Callable[[Blocks], None]]] = MappingProxyType(
    {
        Step.CASTS: tell_casts_apart,
        Step.ALIASES: rename_hidden_aliases,
        Step.SUBQUERIES: mend_subqueries,
        Step.CORRELATION: mend_unequal_correlation,
        Step.GUARDS: guard_divisions,
        Step.LEAD: mend_lead,
        Step.INTERVALS: mend_interval_orders,
        Step.EXTREMES: mend_extremes,
        Step.KEYS: mend_keys,
    }
)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """sql: the new text; steps: those that changed something; names: output name not to be seen -> as written."""

    sql: str
    steps: tuple[Step, ...]
    names: Mapping[str, str]


def copied(sql: str) -> str:
    """The text as it comes back with nothing changed on purpose. Raises NotSupported (unreadable)."""
    return written(read(sql))


def rewrite(sql: str, wanted: frozenset[Step], schema_of: SchemaOf, key_of: KeyOf) -> Rewritten:
    """Raises NotSupported (no form of it is right), and what the engine says of names that are not there."""
    tree = read(sql)
    before = written(tree)
    apart = ToldApart()
    blocks = Blocks(tree, schema_of, apart if Step.NAMES in wanted else None)
    done: list[Step] = []

    def note(step: Step) -> None:
        nonlocal before
        if (after := written(tree)) != before:
            done.append(step)
            before = after

    note(Step.NAMES)
    joining = wanted & {Step.RIGHT_JOINS, Step.USING}
    turned = [block for block in blocks.all if has_mendable_joins(block.select)] if joining else []
    for block in turned:
        _expand_once(block)
    if wanted & {Step.SUBQUERIES, Step.CORRELATION}:
        precompute(blocks)
    kept = KeptNames(blocks)
    for block in reversed(turned):
        name_keys(blocks, block)
    note(Step.USING)
    for block in reversed(turned) if Step.RIGHT_JOINS in wanted else ():
        turn(block)
    note(Step.RIGHT_JOINS)
    if Step.GROUPS in wanted:
        add_determined_columns(blocks, key_of)
        note(Step.GROUPS)
    for step, mend in _STEPS.items():
        if step in wanted:
            mend(blocks)
            note(step)
    names = apart.names | (kept.restore(apart.fresh) if done else {})
    return Rewritten(written(tree), tuple(done), MappingProxyType(names))


def _expand_once(block: Block) -> None:
    if has_star(block.select):
        expand(block)
