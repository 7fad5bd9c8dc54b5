"""Step names one mending of a query, each for one fault of the engine."""

from __future__ import annotations

from enum import Enum


class Step(Enum):
    """value: what EXPLAIN says of it."""

    NAMES = "output columns of one name are told apart"
    RIGHT_JOINS = "RIGHT JOIN is run as LEFT JOIN"
    USING = "the keys of USING are those of whichever side has them"
    GROUPS = "columns that a primary key determines are grouped by, too"
    CASTS = "casts are made part of the names of expressions"
    QUALIFIERS = "a table is told from an alias of its name"
    ALIASES = "a table is renamed that a column is named like"
    SUBQUERIES = "EXISTS, IN and NOT IN are written with the NULLs in mind"
    CORRELATION = "a subquery is computed once for each value from outside"
    GUARDS = "divisors are NULL where the rest of the condition has decided"
    LEAD = "LEAD with IGNORE NULLS is run as NTH_VALUE"
    INTERVALS = "windows over intervals are ordered by their parts"
    EXTREMES = "min and max of floats know infinities and NaN"
    GROUPING = "the engine may not know which keys of grouping sets are constant"
    EQUALITIES = "equalities within one table are conditions only"
    ORDERS = "an order above LIMIT with OFFSET is kept"
    SLIDING = "infinities and NaN leave sums with their rows"
    EQUAL_FLOATS = "floats are compared by value in IN, nullif and CASE"
    FIELDS = "fields of a NULL struct are NULL"
    KEYS = "floats in ORDER BY and windows have one zero and one NaN"
