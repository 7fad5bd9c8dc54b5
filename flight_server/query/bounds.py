"""Join bounds estimate how many pairs of rows joins without a key look at, and refuse endless ones.

A nested-loop or cross join that feeds an aggregate, a sort or a selective filter does not yield while it works
(apache/datafusion#19358): cancelling it frees nothing until it is through, at ~0.5e9 pairs a second on two cores.
So joins that would go on for more than about half a minute are refused before they begin.

Rows are DataFusion's own estimates, read from EXPLAIN. Behind a filter or an aggregate they are guesses, mostly
far too high, and get the benefit of the doubt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from flight_server.query.scan.table_scan import DEAD_SEQ
from storage.errors import LimitExceeded

PAIRS_MAX: Final = 10_000_000_000
PAIRS_APART: Final = 300_000_000  # more, and it may go on for over a second after it is cancelled
SHORT_ROWS: Final = 16_384
DOUBT: Final = 100  # estimates behind a filter or aggregate are divided by this


UNKEYED: Final = ("NestedLoopJoinExec", "CrossJoinExec")
_JOIN: Final = re.compile(r"(?:HashJoinExec|SortMergeJoinExec): ")
_CONDITION: Final = "filter="
_ROWS = re.compile(r"statistics=\[Rows=(?:Exact|Inexact)\((\d+)\)")
_SERIES = re.compile(r"generate_series: start=(-?\d+), end=(-?\d+)")
_GUESSED = ("FilterExec", "AggregateExec", "HashJoinExec", "SortMergeJoinExec")
# From none of these come more rows than went in: no join, subquery, unnest, recursion, table function (a scan with a
# name; ours have none), EXPLAIN.
_SHRINKING = (
    "Projection:", "Filter:", "SubqueryAlias:", "Aggregate:", "WindowAggr:", "Sort:", "Limit:", "Distinct:", "Union",
    "Values:", "EmptyRelation:", "TableScan: ?table?",
)  # fmt: skip
_PASSING = (
    "ProjectionExec",
    "CoalescePartitionsExec",
    "RepartitionExec",
    "CooperativeExec",
    "GlobalLimitExec",
    "LocalLimitExec",
)


@dataclass(frozen=True, slots=True)
class Node:
    """One line of a physical plan; children are the lines below it that stand deeper."""

    text: str
    children: tuple[Node, ...]

    def all(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            yield from child.all()


def is_short(logical_plan: str, input_rows: int) -> bool:
    """Whether the plan ends soon by itself, and with a small result: few rows go in, and nothing makes more of them."""
    lines = [line.lstrip() for line in logical_plan.splitlines()]
    scans = sum(line.startswith("TableScan:") for line in lines)
    return input_rows * scans <= SHORT_ROWS and all(
        line.startswith(_SHRINKING) and not _multiplies(line) for line in lines
    )


def _multiplies(line: str) -> bool:
    return line.startswith("Aggregate:") and any(word in line for word in ("CUBE", "ROLLUP", "GROUPING SETS"))


def may_join(logical_plan: str) -> bool:
    """Cheap first look: whether there is any join or subquery but our own with the deleted rows."""
    return any(("Join:" in line and DEAD_SEQ not in line) or "Subquery:" in line for line in logical_plan.splitlines())


def has_unkeyed_join(physical_plan: str) -> bool:
    return any(name in physical_plan for name in UNKEYED)


def has_unyielding_join(physical_plan: str) -> bool:
    """Whether there is a join that may look at very many pairs for one batch of its input."""
    return has_unkeyed_join(physical_plan) or any(map(_has_condition, physical_plan.split("\n")))


def _has_condition(line: str) -> bool:
    """Whether a join by a key has a further condition."""
    join = _JOIN.search(line)
    return join is not None and _CONDITION in line[join.end() :]


def has_long_join(plan_with_statistics: str, batch_rows: int) -> bool:
    """Whether a join may go on for long after it was cancelled: its pairs are very many, or nobody knows how many.

    One with a key and a further condition may find all rows of the one side for each row of a batch of the other.
    Guesses count whole here: apart a join costs little, and nothing is refused.
    """
    return any(_is_long(node, batch_rows) for root in parsed(plan_with_statistics) for node in root.all())


def _is_long(node: Node, batch_rows: int) -> bool:
    if node.text.startswith(UNKEYED):
        found = pairs(node, doubt=1)
        return found is None or found > PAIRS_APART
    if not _JOIN.match(node.text) or not _has_condition(node.text) or len(node.children) != 2:
        return False
    held, streamed = (_rows(side, doubt=1) for side in node.children)
    return held is None or held * min(streamed or batch_rows, batch_rows) > PAIRS_APART


def refuse_endless_joins(plan_with_statistics: str) -> None:
    """Raises LimitExceeded for a join over PAIRS_MAX pairs. Takes the physical plan as EXPLAIN shows it."""
    for root in parsed(plan_with_statistics):
        _check(root, above=())


def parsed(text: str) -> tuple[Node, ...]:
    """A plan's indented lines as trees."""
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines() if line.strip()]
    return _siblings(lines)


def pairs(join: Node, doubt: int = DOUBT) -> int | None:
    """How many pairs the join looks at; None when a side is unknown."""
    sides = [_rows(side, doubt) for side in join.children]
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        return None
    return sides[0] * sides[1]


def _siblings(lines: Sequence[tuple[int, str]]) -> tuple[Node, ...]:
    if not lines:
        return ()
    starts = [at for at, (depth, _) in enumerate(lines) if depth == lines[0][0]]
    ends = [*starts[1:], len(lines)]
    return tuple(
        Node(lines[start][1], _siblings(lines[start + 1 : end])) for start, end in zip(starts, ends, strict=True)
    )


def _check(node: Node, above: tuple[Node, ...]) -> None:
    if node.text.startswith(UNKEYED):
        found = pairs(node)
        if found is not None and found > PAIRS_MAX and not _stops_early(node, above):
            raise LimitExceeded(
                f"the statement compares about {found:,} pairs of rows, as two of its inputs are joined without an "
                f"equality between them (limit {PAIRS_MAX:,}); add one, or filter the inputs first",
                sqlstate="54000",
            )
    for child in node.children:
        _check(child, (*above, node))


def _stops_early(join: Node, above: tuple[Node, ...]) -> bool:
    """Whether the reader, or a LIMIT, holds the join back: nothing above it takes all its rows first."""
    if "filter=" in join.text:
        return False  # it may look at any number of pairs for one row
    for node in reversed(above):
        if "fetch=" in node.text or "LimitExec" in node.text:
            return True
        if not node.text.startswith(_PASSING):
            return False
    return True


def _rows(node: Node, doubt: int = DOUBT) -> int | None:
    found = _ROWS.search(node.text)
    rows = int(found[1]) if found else _series_rows(node)
    if rows is None:
        return None
    guessed = any(part.text.startswith(_GUESSED) for part in node.all())
    return max(1, rows // doubt) if guessed else rows


def _series_rows(node: Node) -> int | None:
    """generate_series tells its bounds, not its rows."""
    while node.children and node.text.startswith(_PASSING):
        node = node.children[0]
    found = _SERIES.search(node.text)
    return max(0, int(found[2]) - int(found[1]) + 1) if found else None
