"""Words of the engine's plans, for texts of callers that look like plans."""

from __future__ import annotations

# What the engine writes into plans, or what is looked for in them; `#` is a number, another one each time.
PLAN_WORDS = (
    *("Sort: ", "Sort: fetch=", "Filter: ", "Left Join: ", "Right Join: Using ", "Full Join: Using ", "WindowAggr: "),
    *("Subquery:", "(<subquery>)", "IN (<subquery>)", "EXISTS (<subquery>) ", "outer_ref(", "outer_ref(a) = b "),
    *("groupBy=[[", "]], aggr=[[", "Aggregate: groupBy=[[]], ", "ROLLUP (", "ORDER BY [", "PARTITION BY [", "max("),
    *("CAST(", "f(CAST(", "f#(CAST(a AS I) ", " AS Int64", "WHEN ", "xWHEN ", "CASE ", "/ ", "x / y ", "lead(", " OR "),
    *(", a#:Float64", ", a#:Utf8", "[a:Float64, ", ", a:Utf8", "get_field(", "nullif(", " IN ([", " IS TRUE", " AND "),
    *("Limit: skip=1,", " = ", "a.b = a.c AND ", " DISTINCT FROM ", "HashJoinExec: ", "filter=", "windowExpr=[["),
    *("ROWS BETWEEN ", "IGNORE NULLS", '"', "'", "(", ")", "a", " ", "-", "\\", "é", "1"),
)  # fmt: skip
