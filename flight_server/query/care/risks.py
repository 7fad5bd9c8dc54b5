"""Risk detection tells which faults of the engine a logical plan may run into, from the text of the plan.

A look at the text of the plan, once for each plan: it may find a risk where there is none (then the rewrite changes
nothing), and must not miss one. Texts of the caller stand in the plan, too, and may look like anything; so nothing
here is decided by the absence of a line that such a text could cover. Nor by what the rows' state brings into a plan
(filters of deleted rows, unions): what was found for a text holds as long as the catalog does, and is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

import pyarrow as pa

from flight_server.query.care.plan_text import NAMES_MAX, cast_calls, has_cast_key, has_many_sets, sort_keys
from flight_server.query.care.risky_conditions import (
    equates_within_a_table,
    fails_above_an_outer_join,
    may_fail_beside_a_guard,
)
from flight_server.rewrite.steps import Step

_NODE: Final = re.compile(r"^( *)([A-Z]\w*(?: [A-Z]\w*)*)(?::|$)")
_FLOATS: Final = re.compile(r"(?:\[|, )([^,\[\]:]{1,128}):Float(?:16|32|64)")
_EXTREME: Final = re.compile(r"\b(?:max|min)\(")
_UNGROUPED: Final = re.compile(r"Aggregate: groupBy=\[\[\]\], .*")
_SLIDING: Final = re.compile(r"(?:ROWS|RANGE|GROUPS) BETWEEN (?!UNBOUNDED PRECEDING)")
_SKIPPING: Final = re.compile(r"Limit: skip=(?!0,)")
_BITS: Final = re.compile(r"(?<!\._seq)(?<!\._seq NOT) IN \(\[(?!Utf8\()|\bnullif\(|CASE (?!WHEN\b)")
_TRUTHS: Final = re.compile(r" IS (?:NOT )?(?:TRUE|FALSE|UNKNOWN)\b")
_EQUAL: Final = re.compile(r"(?<![^\s=])[^\s=]++ = outer_ref\([^()]*+\)|outer_ref\([^()]*+\) = [^\s=]++")
# What takes a predicate for a value: CASE, a comparison, IS, NOT before a bracket or before IN.
_BEYOND: Final = re.compile(
    r"\bCASE\b|\bNOT (?!IN \(|EXISTS|I?LIKE|BETWEEN|SIMILAR|NULL|DISTINCT|TRUE|FALSE|UNKNOWN)"
    r"|(?:EXISTS|IN) \(<subquery>\)\)? (?!AND |OR |NOT )\S"
    r"|[=<>] \(?(?:NOT )?EXISTS|[=<>] \S+ (?:NOT )?IN \(<s"
)
_SORT_KEY: Final = re.compile(r"(?:\w+\.)?(\w+) (?:ASC|DESC) NULLS (?:FIRST|LAST)")


def rewrites_for(
    shown: str, output: Callable[[], pa.Schema], with_types: Callable[[], str], *, within: bool = False
) -> frozenset[Step]:
    """Steps that may be needed.

    shown:      the raw plan
    output:     gives the columns of its rows
    with_types: gives it with the columns of each node, which takes a while: asked only if there is need
    within:     it is a view's, around which there is more
    """
    found: set[Step] = set()
    if "Right Join:" in shown:
        found.add(Step.RIGHT_JOINS)
    if "Full Join: Using" in shown or "Right Join: Using" in shown:
        found.add(Step.USING)
    if "<subquery>" in shown:
        found |= set(_of_subqueries(shown))
    if "IGNORE NULLS" in shown and ("lead(" in shown or "lag(" in shown):
        found.add(Step.LEAD)
    if may_fail_beside_a_guard(shown, with_types, within=within):
        found.add(Step.GUARDS)
    if "get_field(" in shown and ("CASE " in shown or "nullif(" in shown):
        found.add(Step.FIELDS)
    if "WindowAggr:" in shown and _differs_in_a_cast(shown):
        found.add(Step.CASTS)
    if has_many_groupings(shown):
        found.add(Step.GROUPING)
    if (within or "Sort:" in shown or "WindowAggr:" in shown) and equates_within_a_table(shown):
        found.add(Step.EQUALITIES)
    if _SKIPPING.search(shown) and _stands_under(shown, "Limit: skip=", "Sort:"):
        found.add(Step.ORDERS)
    if _SLIDING.search(shown) or _BITS.search(shown):
        found |= set(_of_compared_floats(shown, with_types()))
    if _sorts_by_more(shown, output) or any(True for _ in sort_keys(shown)) or _EXTREME.search(shown):
        typed = with_types()
        found |= set(_of_floats(typed))
        if "WindowAggr:" in shown and ":Interval" in typed:
            found.add(Step.INTERVALS)
    return frozenset(found)


def _sorts_by_more(shown: str, output: Callable[[], pa.Schema]) -> bool:
    """Whether rows are put in order by anything but plain columns of the result that are no floats."""
    sorts = [line.partition("Sort: ")[2] for line in shown.split("\n") if "Sort: " in line]
    columns = output() if sorts else pa.schema([])
    for key in (key for keys in sorts for key in keys.split(", ") if not key.startswith("fetch=")):
        found = _SORT_KEY.fullmatch(key)
        index = columns.get_field_index(found[1]) if found is not None else -1
        if index < 0 or pa.types.is_floating(columns.field(index).type):
            return True
    return False


def faults_of_rules(shown: str) -> frozenset[str]:
    """Names of the faults that rules of the optimizer would bring. shown: the raw plan, after any rewrite."""
    found: set[str] = set()
    if "DISTINCT FROM" in shown and "Join" in shown:
        found.add("null_equality_spreads")
    if "groupBy=[[]]" in shown and any(len(_EXTREME.findall(one)) > 1 for one in _UNGROUPED.findall(shown)):
        found.add("extremes_prune_each_other")
    if len(_TRUTHS.findall(shown)) > 1:
        found.add("truths_as_common_expressions")
    if has_cast_key(shown):
        found.add("casts_left_out_of_names")
    if "Filter:" in shown and "Full Join:" in shown and _stands_under(shown, "Full Join:", "Filter:"):
        found.add("full_join_filters")
    if "Left Join:" in shown and fails_above_an_outer_join(shown):
        found.add("divisions_above_outer_joins")
    if "Filter:" in shown and "Right Join:" in shown and _stands_under(shown, "Right Join:", "Filter:"):
        found.add("right_join_filters")
    return frozenset(found)


def has_many_groupings(shown: str) -> bool:
    """Whether one partition would put out groups twice."""
    return has_many_sets(shown)


def _of_subqueries(shown: str) -> Iterator[Step]:
    found = subqueries(shown)
    if found is None:
        yield from (Step.SUBQUERIES, Step.CORRELATION, Step.ALIASES)
        return
    if any(_is_misread(one) for one in found):
        yield Step.SUBQUERIES
    if any(_is_correlated_by_more(one) for one in found):
        yield Step.CORRELATION
    if "get_field(" in shown:
        yield Step.ALIASES


def _is_misread(one: Subquery) -> bool:
    if one.kind is Kind.SCALAR:
        return False
    correlated = any("outer_ref(" in line for line in one.body)
    if any("outer_ref(" in line and "Join:" in line for line in one.body):
        return True
    if correlated and any("skip=" in line and "skip=0" not in line for line in one.body):
        return True
    if correlated and any("groupBy=[[]]" in line or has_many_sets(line) for line in one.body):
        return True
    if not one.host.startswith("Filter:"):
        return True
    if one.kind is Kind.NOT_IN and (correlated or " OR " in one.host):
        return True
    if one.kind is Kind.IN and correlated and not any("Aggregate:" in line for line in one.body):
        return True
    return _BEYOND.search(one.host) is not None


def _is_correlated_by_more(one: Subquery) -> bool:
    if one.kind is Kind.SCALAR and one.host.startswith(_TAKES_NO_SCALAR):
        return True
    if one.kind is Kind.SCALAR and _is_lookup(one.body):
        return True
    is_aggregated = one.kind is Kind.SCALAR or any("Aggregate:" in line for line in one.body)
    return is_aggregated and _is_unequal("\n".join(one.body))


def _is_lookup(body: list[str]) -> bool:
    """Whether it names something from outside and is no aggregate, or the first row of one."""
    if not any("outer_ref(" in line for line in body):
        return False
    return not any("Aggregate:" in line for line in body) or any("Limit:" in line for line in body)


def _is_unequal(body: str) -> bool:
    """Whether names from outside stand anywhere but in an equality of their own."""
    if "outer_ref(" not in body:
        return False
    rest = _EQUAL.sub("", body)
    return "outer_ref(" in rest or any("outer_ref(" in line and " OR " in line for line in body.split("\n"))


_TAKES_NO_SCALAR: Final = (
    "Aggregate:",
    "Sort:",
    "WindowAggr:",
    "Inner Join:",
    "Left Join:",
    "Right Join:",
    "Full Join:",
)


class Kind(Enum):
    EXISTS = "EXISTS ("
    NOT_IN = "NOT IN ("
    IN = "IN ("
    SCALAR = "("


@dataclass(slots=True)
class Subquery:
    """host: the line that it stands in; body: its own lines, without those of subqueries within."""

    kind: Kind
    host: str
    body: list[str] = field(default_factory=list)


def subqueries(shown: str) -> list[Subquery] | None:
    """All of a plan; None where a line is none of a plan's, so that nothing is certain."""
    found: list[Subquery] = []
    waiting: list[tuple[int, list[Subquery]]] = []  # by the depth of the line that has them
    inside: list[tuple[int, Subquery]] = []
    for line in shown.split("\n"):
        node = _NODE.match(line)
        if node is None:
            return None
        depth = len(node[1])
        while inside and inside[-1][0] >= depth:
            inside.pop()
        while waiting and (waiting[-1][0] >= depth or not waiting[-1][1]):
            waiting.pop()
        if node[2] == "Subquery":
            if not waiting:
                return None
            one = waiting[-1][1].pop(0)
            found.append(one)
            inside.append((depth, one))
        elif inside:
            inside[-1][1].body.append(line)
        hosted = _hosted(line[depth:])
        if hosted:
            waiting.append((depth, hosted))
    return found


def _hosted(head: str) -> list[Subquery]:
    parts = head.split("(<subquery>)")[:-1]
    return [Subquery(_kind(part), head) for part in parts]


def _kind(before: str) -> Kind:
    for kind, end in ((Kind.EXISTS, "EXISTS "), (Kind.NOT_IN, "NOT IN "), (Kind.IN, "IN ")):
        if before.endswith(end):
            return kind
    return Kind.SCALAR


def _differs_in_a_cast(shown: str) -> bool:
    """Whether a call of a cast column and one of the column itself, or of another cast, are there."""
    windows = " ".join(line for line in shown.split("\n") if "windowExpr=" in line)
    cast = cast_calls(windows)
    calls = {(name, column) for name, column, _ in cast}
    if len(calls) > NAMES_MAX:
        return True
    return len(cast) > len(calls) or any(f"{name}({column})" in windows for name, column in calls)


def _of_compared_floats(shown: str, typed: str) -> Iterator[Step]:
    if "Float" not in typed:
        return
    if _SLIDING.search(shown):
        yield Step.SLIDING
    if _BITS.search(shown):
        yield Step.EQUAL_FLOATS


def _of_floats(typed: str) -> Iterator[Step]:
    if "Float" not in typed:
        return
    found = _FLOATS.findall(typed)
    names = {re.escape(name.strip()) for name in found}
    floats = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(names))})(?!\w)" if 0 < len(names) <= NAMES_MAX else r"(?!)")
    # Some names can't be told from what stands around them, or there are too many to look for each.
    if len(found) < typed.count(":Float") or len(names) > NAMES_MAX:
        floats = re.compile("")
    for line in typed.split("\n"):
        bare = line.lstrip()
        if bare.startswith("Sort:"):
            if _may_be_float(bare.partition(" [")[0], floats):
                yield Step.KEYS
        elif "Aggregate:" in bare or "WindowAggr:" in bare:
            if _EXTREME.search(bare):
                yield Step.EXTREMES
            if any(_may_be_float(keys, floats) for keys in sort_keys(bare)):
                yield Step.KEYS


def _may_be_float(keys: str, floats: re.Pattern[str]) -> bool:
    """Whether some of the keys names a float column, or is computed."""
    return "(" in keys or "Float" in keys or "[" in keys or floats.search(keys) is not None


def _stands_under(shown: str, below: str, above: str) -> bool:
    """Whether one node may stand somewhere under another; a line that is no node could hide one, so then yes."""
    over: list[int] = []
    for line in shown.split("\n"):
        node = _NODE.match(line)
        if node is None:
            return True
        depth = len(node[1])
        while over and over[-1] >= depth:
            over.pop()
        if line.startswith(above, depth):
            over.append(depth)
        elif over and line.startswith(below, depth):
            return True
    return False
