"""GuardLimits are what a statement may have at most: the engine's breaking points, measured, with a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta

from storage.errors import LimitExceeded

Positive = Annotated[int, Meta(ge=1)]

TOO_COMPLEX: Final = "54001"


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Per statement. Each is several times below a crash seen, or at what plans for half a second.

    text_bytes_max:         UTF-8 bytes of a whole text
    operators_chained_max:  depth of one expression (crash at 10,000 OR; `a+a+..` of 2,000 plans 3 s)
    operators_squared_max:  sum of depth squared over all expressions, to which planning time is proportional
    powers_max:             `^` (300 in a chain plan 6 s)
    brackets_nested_max:    brackets, CASEs and signs open at once (the engine refuses more than 50, some only after
                            trying 2^50 ways to read them)
    costly_nested_max:      CAST, COALESCE, NOT (..), ARRAY, WITH, queries as values inside each other: up to 4^n steps
                            (12 IFNULL plan 30 s, 12 casts 1 s)
    set_operations_max:     UNION, INTERSECT, EXCEPT (crash at 6,000 UNION; 500 INTERSECT plan 0.7 s)
    common_tables_max:      tables that WITH names (2,000 plan 3 s)
    common_table_scans_max: reads of tables, once each common table is written out wherever it is named
    joins_max:              tables joined (200 plan 2 s)
    select_items_max:       items of one SELECT list (20,000 plan 4 s; 2,000 aggregates 1.4 s)
    sort_items_max:         items of one ORDER BY, GROUP BY, ROLLUP or DISTINCT ON (2,000 plan 1 s)
    grouping_items_max:     items of one CUBE, which make 2^n groupings (18 plan 2 s)
    windows_max:            OVER clauses (500 plan 1.3 s)
    case_arms_max:          WHEN .. THEN (20,000 plan 0.4 s)
    clauses_max:            SELECT, FROM, WHERE, JOIN, ON and the like
    items_max:              values and arguments, not counting brackets of nothing but literals (100,000 plan 3 s)
    """

    text_bytes_max: Positive = 1 << 20
    operators_chained_max: Positive = 500
    operators_squared_max: Positive = 500_000
    powers_max: Positive = 100
    brackets_nested_max: Positive = 40
    costly_nested_max: Positive = 8
    set_operations_max: Positive = 200
    common_tables_max: Positive = 100
    common_table_scans_max: Positive = 1_000
    joins_max: Positive = 100
    select_items_max: Positive = 2_000
    sort_items_max: Positive = 500
    grouping_items_max: Positive = 10
    windows_max: Positive = 200
    case_arms_max: Positive = 5_000
    clauses_max: Positive = 1_000
    items_max: Positive = 60_000


def over_limit(what: str, limit: int, instead: str) -> LimitExceeded:
    """The error for a statement with more than `limit` of `what`."""
    return LimitExceeded(f"a statement may have at most {limit} {what}; {instead}", sqlstate=TOO_COMPLEX)
