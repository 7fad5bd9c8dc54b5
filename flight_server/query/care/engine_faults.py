"""Faults of the pinned engine are listed: who reported each, what keeps users from it, which test needs it.

For the next version of the engine: take a mending out (`QueryEngine(.., mended=ALL_MENDED - {name})`), run its test;
if that passes, the line and the mending go. Measured with DataFusion 55.2, inside the Python package 55.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from flight_server.query.care.risks import faults_of_rules, has_many_groupings
from flight_server.query.sessions.contexts import EXTREMES_FILTER
from flight_server.rewrite.steps import Step


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    name:     for `mended`
    kind:     the family it was found in
    what:     what the engine does
    upstream: reports and pull requests of apache/datafusion, or "not reported"
    kept_by:  how users are kept from it
    test:     the test that fails without that
    step:     the rewrite, if that is how
    rules:    rules of the optimizer that are left out, if that is how
    """

    name: str
    kind: str
    what: str
    upstream: str
    kept_by: str
    test: str
    step: Step | None = None
    rules: frozenset[str] = frozenset()


_TESTS: Final = "tests/query/test_engine_faults.py::test_the_mending_is_needed[{}]"


def _fault(
    name: str, kind: str, what: str, upstream: str, kept_by: str, step: Step | None = None, *rules: str
) -> Fault:
    return Fault(name, kind, what, upstream, kept_by, _TESTS.format(name), step, frozenset(rules))


FAULTS: Final = (
    _fault(
        "right_join_filters", "K1",
        "a filter above a RIGHT JOIN goes to the other table's column of the same name",
        "25259, 21246, 25244, 25262, 25263, 25264, 25296",
        "b LEFT JOIN a instead of a RIGHT JOIN b; without the rules that lead to it where that can't be written",
        Step.RIGHT_JOINS, "optimize_projections", "common_sub_expression_eliminate",
    ),
    _fault(
        "full_join_filters", "K1",
        "the same above a FULL JOIN that is made a RIGHT one",
        "25259",
        "the rule that makes it one is left out",
        None, "eliminate_outer_join",
    ),
    _fault(
        "null_equality_spreads", "K2",
        "= joins NULL with NULL once another join has IS NOT DISTINCT FROM",
        "16356, 17319; not reported as such",
        "the rule that joins anew is left out",
        None, "eliminate_cross_join",
    ),
    _fault(
        "decorrelated_subqueries", "K3",
        "EXISTS, IN and NOT IN lose rows: over aggregates and grouping sets, correlated, under OR; as values (K10e) "
        "they are refused, NOT IN that is correlated by another column (K10c) fails",
        "24960, 25519, 25480, 25347, 25339",
        "written with the NULLs in mind: TRUE, =, NOT EXISTS, or counts",
        Step.SUBQUERIES,
    ),
    _fault(
        "extremes_of_floats", "K4",
        "min and max by group begin at the largest finite numbers and pass over NaN",
        "24432, 13415",
        "CASE over what the group holds",
        Step.EXTREMES,
    ),
    _fault(
        "extremes_prune_each_other", "N4",
        "min and max of several columns without GROUP BY pass over rows, once one of them has met NULLs only: what the "
        "others found prunes the rest",
        "not reported",
        "files are not pruned by what min and max have found so far",
        None, EXTREMES_FILTER,
    ),
    _fault(
        "fields_of_null_structs", "K5",
        "a field of a struct that CASE or nullif made NULL shows what lies beneath; of a stored one, too, so that is "
        "cleared on the way in (storage/state/nested_nulls)",
        "25120",
        "CASE WHEN s IS NOT NULL THEN s['a'] END",
        Step.FIELDS,
    ),
    _fault(
        "outer_using_keys", "K6",
        "the key of RIGHT and FULL JOIN USING is NULL for rows that only the right side has",
        "22881, 22998",
        "ON and coalesce",
        Step.USING,
    ),
    _fault(
        "grouping_sets_in_one_partition", "K7",
        "groups of GROUPING SETS with a constant come twice from several inputs in one partition",
        "11291, 19849",
        "nothing may be known of the keys beforehand; two partitions at least",
        Step.GROUPING,
    ),
    _fault(
        "lead_past_nulls", "K8",
        "LEAD with IGNORE NULLS misses values behind a gap",
        "25471",
        "NTH_VALUE over the rows that follow",
        Step.LEAD,
    ),
    _fault(
        "zeros_in_order", "K9",
        "-0.0 comes before 0.0 in ORDER BY and is a partition of its own in windows; a NaN with a sign is below all",
        "not reported",
        "the keys are nanvl(d + 0.0, NaN)",
        Step.KEYS,
    ),
    _fault(
        "bits_of_floats", "K9",
        "-0.0 is not 0.0 in IN lists, nullif and CASE d WHEN",
        "not reported",
        "both sides are nanvl(d + 0.0, NaN)",
        Step.EQUAL_FLOATS,
    ),
    _fault(
        "infinities_stay_in_sums", "N1",
        "an infinity or a NaN stays in sum and avg over a sliding frame that it has left",
        "not reported",
        "what is not finite is counted apart",
        Step.SLIDING,
    ),
    _fault(
        "orders_from_equalities", "N2",
        "a filter k = id beside a window leads to an order that does not hold, and the statement fails",
        "not reported",
        "(k = id) IS TRUE",
        Step.EQUALITIES,
    ),
    _fault(
        "orders_above_offsets", "N5",
        "ORDER BY over a derived table with the same order, LIMIT and OFFSET loses rows: OFFSET counts twice",
        "not reported",
        "the outer order gets a LIMIT, the largest of all",
        Step.ORDERS,
    ),
    _fault(
        "truths_as_common_expressions", "N3",
        "a statement in which IS TRUE and the like stand twice fails (XX000) where they become a common expression",
        "not reported",
        "the rule that shares them is left out",
        None, "common_sub_expression_eliminate",
    ),
    _fault(
        "casts_left_out_of_names", "K10a",
        "two aggregates that differ in a CAST are taken for one name",
        "not reported",
        "nullif(.., NULL) around the cast; the rule that drops constants from GROUP BY is left out",
        Step.CASTS, "eliminate_group_by_constant",
    ),
    _fault(
        "column_before_table", "K10b",
        "b.k means a field of the column b before it means the table b around the subquery",
        "not reported; duckdb 18540",
        "the table gets another name",
        Step.ALIASES,
    ),
    _fault(
        "alias_before_namespace", "K10b",
        "shop.a.id is taken for a column of what is called a nearest by, though that is another table's alias",
        "not reported",
        "where a name is used so, the tables get names of their own",
        Step.QUALIFIERS,
    ),
    _fault(
        "unequal_correlation", "K10d",
        "scalar subqueries correlated by anything but = fail",
        "not looked up",
        "computed for the distinct values from outside",
        Step.CORRELATION,
    ),
    _fault(
        "times_in_nanoseconds", "K10f",
        "literals and casts without a precision have nanoseconds, and so has what DATE, text and timestamps meet in",
        "17534",
        "texts ask for microseconds (query/times)",
    ),
    _fault(
        "divisions_beside_guards", "K10g",
        "x <> 0 AND y / x > 2 divides by zero",
        "8874",
        "the divisor is NULL where the rest has decided",
        Step.GUARDS,
    ),
    _fault(
        "divisions_above_outer_joins", "K10g",
        "a division in WHERE above a LEFT JOIN is computed before the condition in ON has chosen the rows",
        "not reported",
        "the rule that makes it an inner join is left out",
        None, "eliminate_outer_join",
    ),
    _fault(
        "windows_over_intervals", "K10h",
        "row_number() OVER (ORDER BY interval) is refused",
        "24915",
        "ordered by the parts of the interval",
        Step.INTERVALS,
    ),
    _fault(
        "columns_of_a_key", "K10l",
        "columns that the primary key in GROUP BY determines are refused",
        "23626",
        "they are grouped by, too",
        Step.GROUPS,
    ),
    _fault(
        "equal_output_names", "names",
        "SELECT a, a is refused",
        "not looked up",
        "other names while planning",
        Step.NAMES,
    ),
)  # fmt: skip

ALL_MENDED: Final = frozenset(fault.name for fault in FAULTS)


@dataclass(frozen=True, slots=True)
class Care:
    """How one plan is run.

    without:         rules of the optimizer that are left out
    many_partitions: never in one partition
    reasons:         for EXPLAIN, why so and what was rewritten
    """

    without: frozenset[str] = frozenset()
    many_partitions: bool = False
    reasons: tuple[str, ...] = ()


NO_CARE: Final = Care()


class Mended:
    """The faults that users are kept from: all of them, but in tests that show that each is needed."""

    def __init__(self, names: frozenset[str]) -> None:
        self._faults = [fault for fault in FAULTS if fault.name in names]
        self.steps = frozenset(fault.step for fault in self._faults if fault.step is not None)
        self._many = "grouping_sets_in_one_partition" in names
        self.has_far_times = "times_in_nanoseconds" in names

    def care(self, shown: str, steps: tuple[Step, ...]) -> Care:
        """shown: the raw plan, after the rewrite."""
        found = faults_of_rules(shown)
        led = [fault for fault in self._faults if fault.name in found]
        many = self._many and has_many_groupings(shown)
        if not led and not many and not steps:
            return NO_CARE
        reasons = [step.value for step in steps]
        reasons += [f"without {rule}: {fault.what}" for fault in led for rule in sorted(fault.rules)]
        reasons += ["in several partitions: groups would come twice"] if many else []
        return Care(frozenset(rule for fault in led for rule in fault.rules), many, tuple(reasons))
