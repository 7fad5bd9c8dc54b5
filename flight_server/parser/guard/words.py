"""The words that the guard tells apart. All others are names, or operators where an operator must stand."""

from __future__ import annotations

from typing import Final

from flight_server.parser.guard.level import Counted

LOGICAL: Final = frozenset(("AND", "OR", "XOR"))
PREFIXES: Final = frozenset(("NOT", "INTERVAL", "PRIOR"))
_KNOWN_INFIXES: Final = (
    "FROM IS LIKE ILIKE IN BETWEEN SIMILAR TO DIV COLLATE AT ZONE REGEXP RLIKE GLOB MATCH OVERLAPS ESCAPE AS MEMBER OF"
)
INFIXES: Final = frozenset(_KNOWN_INFIXES.split())
SET_OPERATIONS: Final = frozenset(("UNION", "INTERSECT", "EXCEPT", "MINUS"))
COUNTED_BY: Final = {
    "SELECT": Counted.SELECT,
    "FROM": Counted.TABLES,
    "JOIN": Counted.TABLES,
    "ORDER": Counted.SORT,
    "GROUP": Counted.SORT,
    "PARTITION": Counted.SORT,
}
COUNTED_IN: Final = {"CUBE": Counted.GROUPING, "ROLLUP": Counted.SORT, "SETS": Counted.SORT, "ON": Counted.SORT}
CLAUSES: Final = frozenset(COUNTED_BY) | SET_OPERATIONS | {"WHERE", "ON", "HAVING", "VALUES", "SET", "WITH"}
ARMS: Final = frozenset(("WHEN", "THEN", "ELSE"))
# What the engine takes up to 4^n steps for, n being how many of them stand inside each other.
_COSTLY_WORDS: Final = (
    "ARRAY ARROW_CAST AS CAST CEIL COALESCE CONVERT EXISTS FLOOR IFNULL MATERIALIZED NOT NULLIF NVL NVL2 OVERLAY "
    "POSITION ROW SAFE_CAST SUBSTR SUBSTRING TRY_CAST"
)
COSTLY: Final = frozenset(_COSTLY_WORDS.split())
# Two words that only look like the beginning of a clause.
NO_CLAUSES: Final = {("DISTINCT", "FROM"), ("WITHIN", "GROUP"), ("WITH", "ORDER"), ("TIME", "ZONE")}
BEFORE_TABLE: Final = frozenset(("FROM", "JOIN", ",", "(", "USING", "LATERAL"))
