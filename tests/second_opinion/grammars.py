"""Grammars are named by the kind of fault that each of them can find."""

from __future__ import annotations

from typing import Final

from tests.second_opinion import aggregates, divisions, floats, joins, names, plain, structs, subqueries, times, windows
from tests.second_opinion.questions import Grammar, Making, Question, Unfit

GRAMMARS: Final[tuple[tuple[str, Grammar], ...]] = (
    ("K1", joins.filtered_joins),
    ("K2", joins.null_safe_joins),
    ("K3", subqueries.conditions),
    ("K3", subqueries.scalars),
    ("K4", floats.extremes),
    ("K5", structs.fields),
    ("K6", joins.using_joins),
    ("K7", aggregates.grouping_sets),
    ("K8", windows.ignoring_nulls),
    ("K9", floats.float_windows),
    ("K10a", names.casts),
    ("K10b", names.aliases),
    ("K10c", subqueries.not_in),
    ("K10d", subqueries.by_order),
    ("K10d", subqueries.lookups),
    ("K10e", subqueries.as_values),
    ("K10f", times.far_times),
    ("K10g", divisions.guarded),
    ("K10g", divisions.nested),
    ("K10h", windows.over_intervals),
    ("K10l", names.keys),
    ("names", names.duplicates),
    ("joins", joins.renamed_joins),
    ("values", plain.values),
    ("sets", plain.sets),
    ("distinct", plain.distinct),
    ("order", plain.ordered),
    ("N5", plain.ordered_again),
    ("groups", aggregates.groups),
    ("N1", windows.sliding),
    ("N2", windows.filtered),
    ("windows", windows.frames),
)
KINDS: Final = tuple(dict.fromkeys(kind for kind, _ in GRAMMARS))


def make_question(making: Making, kinds: frozenset[str]) -> Question:
    """Of one of these kinds; of any if there are none."""
    fitting = [grammar for kind, grammar in GRAMMARS if not kinds or kind in kinds]
    while True:
        try:
            return making.random.choice(fitting)(making)
        except Unfit:
            continue


def checked_kinds(names: str) -> frozenset[str]:
    """Of `K1,K4`. Raises ValueError."""
    found = frozenset(name.strip() for name in names.split(",") if name.strip())
    unknown = found - set(KINDS)
    if unknown:
        raise ValueError(f"no grammar is of kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    return found
