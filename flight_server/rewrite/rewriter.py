"""The rewriter reads a query, looks through it, mends it step by step and writes it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Final

from flight_server.rewrite.clauses.barriers import keep_filters_apart
from flight_server.rewrite.clauses.equalities import hide_equalities
from flight_server.rewrite.clauses.grouping import hide_constant_keys
from flight_server.rewrite.clauses.groups import add_determined_columns
from flight_server.rewrite.clauses.orders import limit_orders
from flight_server.rewrite.columns.aliases import rename_hidden_aliases
from flight_server.rewrite.columns.casts import tell_casts_apart
from flight_server.rewrite.columns.joins import has_mendable_joins, name_keys, turn
from flight_server.rewrite.columns.outputs import KeptNames, tell_apart
from flight_server.rewrite.columns.qualifiers import shorten_qualifiers
from flight_server.rewrite.columns.stars import expand, has_star
from flight_server.rewrite.steps import Step
from flight_server.rewrite.subqueries.correlation import mend_unequal_correlation
from flight_server.rewrite.subqueries.lookups import aggregate_lookups
from flight_server.rewrite.subqueries.precompute import needs_columns, precompute
from flight_server.rewrite.subqueries.subqueries import mend_subqueries
from flight_server.rewrite.tree.blocks import Block, Blocks, SchemaOf
from flight_server.rewrite.tree.dialect import Tree, read, written
from flight_server.rewrite.tree.names import HIDDEN
from flight_server.rewrite.tree.relations import Relations
from flight_server.rewrite.values.equal_floats import mend_equal_floats
from flight_server.rewrite.values.fields import mend_fields
from flight_server.rewrite.values.floats import mend_extremes, mend_keys
from flight_server.rewrite.values.guards import guard_divisions
from flight_server.rewrite.values.sliding import mend_sliding_sums
from flight_server.rewrite.values.windows import mend_interval_orders, mend_lead

_STEPS: Final[Mapping[Step, Callable[[Blocks], None]]] = MappingProxyType(
    {
        Step.ALIASES: rename_hidden_aliases,
        Step.SUBQUERIES: mend_subqueries,
        Step.CORRELATION: mend_unequal_correlation,
        Step.GUARDS: guard_divisions,
        Step.EQUALITIES: hide_equalities,
        Step.ORDERS: limit_orders,
        Step.GROUPING: hide_constant_keys,
        Step.SLIDING: mend_sliding_sums,
        Step.EQUAL_FLOATS: mend_equal_floats,
        Step.FIELDS: mend_fields,
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


def rewrite(
    sql: str, wanted: frozenset[Step], schema_of: SchemaOf, relations: Relations, *, within: bool = False
) -> Rewritten:
    """within: it is a view's text.

    Raises NotSupported (no form of it is right), and what the engine says of names that are not there.
    """
    return _Rewrite(read(sql), wanted, relations, within=within).run(schema_of)


class _Rewrite:
    """One tree on its way."""

    def __init__(self, tree: Tree, wanted: frozenset[Step], relations: Relations, *, within: bool) -> None:
        self._tree = tree
        self._wanted = wanted
        self._relations = relations
        self._within = within
        self._text = written(tree)
        self._done: dict[Step, None] = {}
        self._kept = KeptNames()
        self._hidden = (f"{HIDDEN}{number}" for number in count(1))
        self._names: dict[str, str] = {}

    def run(self, schema_of: SchemaOf) -> Rewritten:
        if Step.CASTS in self._wanted:  # before anything is planned, which would fail
            tell_casts_apart(self._tree)
            self._note(Step.CASTS)
        blocks = Blocks(self._tree, schema_of, self._mend_names, within=self._within)
        shorten_qualifiers(self._tree, blocks, self._hidden)
        if Step.QUALIFIERS in self._wanted:
            self._note(Step.QUALIFIERS)
        self._text = written(self._tree)
        if self._wanted & {Step.SUBQUERIES, Step.CORRELATION}:
            precompute(blocks)
            self._note(Step.SUBQUERIES)
        if Step.CORRELATION in self._wanted:
            aggregate_lookups(blocks)
            self._note(Step.CORRELATION)
        if Step.GUARDS in self._wanted:
            keep_filters_apart(blocks, self._relations)
            self._note(Step.GUARDS)
        for step, mend in _STEPS.items():
            if step in self._wanted:
                mend(blocks)
                self._note(step)
        if self._done:
            self._names |= self._kept.restore(blocks, self._hidden)
        return Rewritten(written(self._tree), tuple(self._done), MappingProxyType(self._names))

    def _mend_names(self, blocks: Blocks, block: Block) -> None:
        """What names mean, in a block before the one around it is looked at: there the names of its columns count."""
        joining = self._wanted & {Step.RIGHT_JOINS, Step.USING} and has_mendable_joins(block.select)
        precomputing = self._wanted & {Step.SUBQUERIES, Step.CORRELATION} and needs_columns(block)
        if has_star(block.select) and (joining or precomputing or Step.NAMES in self._wanted):
            expand(block)
        self._kept.keep(block)
        if joining:
            name_keys(blocks, block)
            self._note(Step.USING)
        if joining and Step.RIGHT_JOINS in self._wanted:
            turn(block)
            self._note(Step.RIGHT_JOINS)
        if Step.NAMES in self._wanted:
            self._names |= tell_apart(blocks, block, self._hidden)
            self._note(Step.NAMES)
        if Step.GROUPS in self._wanted:
            add_determined_columns(blocks, block, self._relations)
            self._note(Step.GROUPS)

    def _note(self, step: Step) -> None:
        after = written(self._tree)
        if after != self._text:
            self._done[step] = None
            self._text = after
