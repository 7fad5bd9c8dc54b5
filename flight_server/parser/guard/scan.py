"""The guard's scan counts how deep and how wide a statement is, from its pieces alone.

Brackets and CASE .. END are levels. Within a level an *item* ends at a comma or a clause word. An item's tree can't
be deeper than its AND/ORs, plus the other operators of its busiest operand, plus the depth of what stands in that
operand's brackets. To be safe against operators unknown here, every word behind an operand counts as one; and a word
behind an operator is an operand, whatever it says (`1 + group + 1` is a chain that no GROUP BY ends).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from flight_server.parser.guard.level import Counted, Level
from flight_server.parser.guard.limits import GuardLimits, over_limit
from flight_server.parser.guard.pieces import Piece
from flight_server.parser.guard.words import (
    ARMS,
    BEFORE_TABLE,
    CLAUSES,
    COSTLY,
    COUNTED_BY,
    COUNTED_IN,
    INFIXES,
    LOGICAL,
    NO_CLAUSES,
    PREFIXES,
    SET_OPERATIONS,
)

_SPLIT: Final = "split it, or put the values into a list or a table"
_FEWER: Final = "split it into several statements"


class _After(Enum):
    """What came last."""

    START = auto()  # a bracket, a comma, a clause word: an operand or a prefix may follow
    OPERATOR = auto()  # an operand must follow
    OPERAND = auto()  # an operator, or the end of the item
    DOT = auto()  # a part of a name


class Scan:
    """Reads pieces in order; raises LimitExceeded at the first one that is too many."""

    def __init__(self, limits: GuardLimits) -> None:
        self._limits = limits
        self._begin()

    def _begin(self) -> None:
        self._levels = [Level()]
        self._after = _After.START
        self._word = ""  # the last word (upper case) or symbol
        self._name = ""  # the last name (lower case) that may be a common table's
        self._below = 0  # costly levels and casts in the operand that was just read
        self._opened_by: list[str] = []  # what `_name` was when each open level began
        self._common_tables: dict[str, int] = {}  # name -> tables read when it is written out
        self._squared = self._powers = self._set_operations = self._joins = 0
        self._windows = self._arms = self._clauses = self._items = 0

    def take(self, piece: Piece, text: str) -> None:
        if piece is Piece.WORD:
            self._take_word(text)
        elif piece is Piece.SYMBOL:
            self._take_symbol(text)
        elif piece is Piece.OPERAND:
            self._after = _After.OPERAND
            self._word = ""
        elif piece is Piece.OPEN:
            self._open(text)
        elif piece is Piece.CLOSE:
            self._close()
        else:
            self._take_name(text[1:-1].replace('""', '"').lower())

    def end_statement(self) -> None:
        """What is left open is closed; the next piece begins another statement."""
        while len(self._levels) > 1:
            self._pop()
        self._end_item()
        self._check_scans(self._levels[0].scans)
        self._begin()

    # --- words -------------------------------------------------------------------------------------------------

    def _take_word(self, text: str) -> None:
        after, word = self._after, text.upper()
        if after is _After.DOT:
            self._take_name(text.lower())
        elif word == "CASE":
            self._push(Level(self._levels[-1], is_case=True))
        elif word == "END" and self._levels[-1].is_case:
            self._pop()
            self._after = _After.OPERAND
        elif word in LOGICAL and after is _After.OPERAND:
            self._levels[-1].end_operand()
            self._levels[-1].logical += 1
            self._operator()
        elif word in PREFIXES:
            self._levels[-1].inner += 1
            self._operator(is_prefix=after is not _After.OPERAND)
        elif after is _After.OPERATOR:
            self._take_name(text.lower())
        elif word in CLAUSES and (self._word, word) not in NO_CLAUSES:
            self._clause(word)
        elif word in ARMS and (self._levels[-1].is_case or len(self._levels) == 1):
            self._arm(word)
        elif after is _After.OPERAND:
            self._infix_word(word, text)
        else:
            self._take_name(text.lower())
        self._word = word

    def _take_name(self, name: str) -> None:
        if self._common_tables and self._after is not _After.DOT and self._word in BEFORE_TABLE:
            self._levels[-1].scans += self._common_tables.get(name, 0)
            self._check_scans(self._levels[-1].scans)
        self._name = name
        self._word = ""
        self._after = _After.OPERAND

    def _infix_word(self, word: str, text: str) -> None:
        """A word behind an operand: an operator, or an alias, which the guard can't tell apart."""
        if word == "OVER":
            self._windows = self._counted(self._windows, "OVER clauses", self._limits.windows_max)
        self._levels[-1].inner += 1
        self._operator()
        if word not in INFIXES:
            self._name = text.lower()
            self._after = _After.OPERAND

    def _clause(self, word: str) -> None:
        self._end_item()
        self._after = _After.START
        self._clauses = self._counted(self._clauses, "clauses", self._limits.clauses_max)
        level = self._levels[-1]
        if word == "SELECT" and self._word == "(" and not level.is_costly and level.counted is not Counted.SOURCE:
            level.is_costly = True  # a query in the place of a value
            level.costly += 1
            self._check_costly(level.costly)
        level.items = 1
        level.counted = COUNTED_BY.get(word, Counted.NOTHING)
        if word in SET_OPERATIONS:
            limit = self._limits.set_operations_max
            self._set_operations = self._counted(self._set_operations, "set operations", limit)
        elif word == "JOIN":
            self._count_join()
        if word in ("FROM", "JOIN"):
            level.scans += 1

    def _arm(self, word: str) -> None:
        self._end_item()
        self._after = _After.START
        if word == "WHEN":
            self._arms = self._counted(self._arms, "WHEN arms", self._limits.case_arms_max)

    # --- symbols -----------------------------------------------------------------------------------------------

    def _take_symbol(self, symbol: str) -> None:
        after = self._after
        if symbol == ",":
            self._comma()
        elif symbol == ".":
            self._after = _After.DOT if after is _After.OPERAND else after
        elif symbol == ";":
            self.end_statement()
        elif symbol == "*" and after is not _After.OPERAND:
            self._after = _After.OPERAND  # SELECT *, count(*), t.*
        elif symbol == "|>":
            limit = self._limits.set_operations_max
            self._set_operations = self._counted(self._set_operations, "set operations", limit)
        else:
            if "^" in symbol:
                self._powers = self._counted(self._powers, "powers (^)", self._limits.powers_max)
            if symbol == "::" and (self._below or self._word == ")"):
                self._cast_bracket()
            else:
                self._below = 0
            self._levels[-1].inner += 1
            self._operator(is_prefix=after is not _After.OPERAND)
        self._word = symbol

    def _cast_bracket(self) -> None:
        """`(..)::type` costs as much as CAST(.. AS type)."""
        level = self._levels[-1]
        self._below += 1
        level.below = max(level.below, self._below)
        self._check_costly(level.costly + self._below)

    def _comma(self) -> None:
        self._end_item()
        self._after = _After.START
        level = self._levels[-1]
        level.items += 1
        counted, limits = level.counted, self._limits
        self._items = self._counted(self._items, "values", limits.items_max)
        if counted is Counted.SELECT and level.items > limits.select_items_max:
            raise over_limit("items in a SELECT list", limits.select_items_max, "select fewer columns")
        if counted is Counted.SORT and level.items > limits.sort_items_max:
            raise over_limit("items in ORDER BY, GROUP BY or DISTINCT ON", limits.sort_items_max, "use fewer columns")
        if counted is Counted.GROUPING and level.items > limits.grouping_items_max:
            raise over_limit("items in CUBE", limits.grouping_items_max, "use GROUPING SETS")
        if counted is Counted.TABLES:
            level.scans += 1
            self._count_join()

    # --- levels ------------------------------------------------------------------------------------------------

    def _open(self, bracket: str) -> None:
        if bracket == "[" and self._after is _After.OPERAND:
            self._levels[-1].inner += 1  # a subscript, or int[][][]
            self._check_depth()
        word, outer = self._word, self._levels[-1]
        is_costly = bracket == "[" or word in COSTLY
        if bracket == "(" and word in ("AS", "MATERIALIZED"):
            self._push(Level(outer, is_costly=True, common_table=self._name))
        elif outer.counted is Counted.TABLES and self._after is _After.START:
            self._push(Level(outer, counted=Counted.SOURCE))
        else:
            counted = COUNTED_IN.get(word, Counted.NOTHING)
            self._push(Level(outer, is_costly=is_costly, counted=counted, is_operator=word == "OPERATOR"))
        self._word = bracket

    def _push(self, level: Level) -> None:
        self._check_nesting(level.nesting)
        self._check_costly(level.costly)
        self._levels.append(level)
        self._opened_by.append(self._name)
        self._below = 0
        self._after = _After.START

    def _close(self) -> None:
        while len(self._levels) > 1 and self._levels[-1].is_case:
            self._pop()  # a CASE without END: the engine will refuse it
        is_operator = self._levels[-1].is_operator
        if len(self._levels) > 1:
            self._pop()
        self._after = _After.OPERATOR if is_operator else _After.OPERAND
        self._word = ")"

    def _pop(self) -> None:
        self._end_item()
        level = self._levels.pop()
        # The name before the bracket is the last one again: in `c (a, b) AS (..)` that is the common table's.
        self._name = self._opened_by.pop()
        outer = self._levels[-1]
        outer.child = max(outer.child, level.peak)
        self._check_depth()
        self._below = level.below + level.is_costly
        outer.below = max(outer.below, self._below)
        if not level.common_table:
            outer.scans += level.scans
            self._check_scans(outer.scans)
            return
        self._common_tables[level.common_table] = max(level.scans, 1)
        if len(self._common_tables) > self._limits.common_tables_max:
            raise over_limit("tables in WITH", self._limits.common_tables_max, _FEWER)

    # --- limits ------------------------------------------------------------------------------------------------

    def _operator(self, *, is_prefix: bool = False) -> None:
        level = self._levels[-1]
        level.prefixes = level.prefixes + 1 if is_prefix else 0
        self._after = _After.OPERATOR
        self._check_depth()
        self._check_nesting(level.nesting + level.prefixes)

    def _check_nesting(self, nesting: int) -> None:
        if nesting > self._limits.brackets_nested_max:
            limit = self._limits.brackets_nested_max
            raise over_limit("brackets and signs inside each other", limit, "name inner parts in WITH")

    def _check_costly(self, costly: int) -> None:
        if costly > self._limits.costly_nested_max:
            limit = self._limits.costly_nested_max
            raise over_limit(
                "casts, COALESCE, NOT, arrays or queries inside each other", limit, "name inner parts in WITH"
            )

    def _check_depth(self) -> None:
        level, limit = self._levels[-1], self._limits.operators_chained_max
        if level.logical + level.inner + level.child > limit or level.logical + level.operand > limit:
            raise over_limit("operators chained in one expression", limit, _SPLIT)

    def _end_item(self) -> None:
        depth = self._levels[-1].end_item()
        if depth > 30:  # shorter ones cost nothing worth counting
            self._squared += depth * depth
            if self._squared > self._limits.operators_squared_max:
                limit = self._limits.operators_squared_max
                raise over_limit("operators, squared and summed over its expressions", limit, _SPLIT)

    def _count_join(self) -> None:
        self._joins = self._counted(self._joins, "joined tables", self._limits.joins_max)

    def _check_scans(self, scans: int) -> None:
        if scans > self._limits.common_table_scans_max:
            limit = self._limits.common_table_scans_max
            raise over_limit("reads of tables, with WITH written out", limit, "store a part with CREATE TABLE .. AS")

    def _counted(self, count: int, what: str, limit: int) -> int:
        if count >= limit:
            raise over_limit(what, limit, _FEWER)
        return count + 1
