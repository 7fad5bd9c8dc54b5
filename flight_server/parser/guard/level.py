"""Level counts one level of a statement: an open bracket or CASE, and the item that is being read in it."""

from __future__ import annotations

from enum import Enum, auto


class Counted(Enum):
    """What the commas of a level separate."""

    NOTHING = auto()  # values, arguments: as many as fit
    SELECT = auto()
    TABLES = auto()
    SORT = auto()
    GROUPING = auto()
    SOURCE = auto()  # a bracket in the place of a table


class Level:
    """One open bracket or CASE, and the item that is being read in it."""

    __slots__ = (
        "below",
        "child",
        "common_table",
        "costly",
        "counted",
        "inner",
        "is_case",
        "is_costly",
        "is_operator",
        "items",
        "logical",
        "nesting",
        "operand",
        "peak",
        "prefixes",
        "scans",
    )

    def __init__(
        self,
        outer: Level | None = None,
        *,
        is_case: bool = False,
        is_costly: bool = False,
        is_operator: bool = False,
        common_table: str = "",
        counted: Counted = Counted.NOTHING,
    ) -> None:
        self.is_case = is_case
        self.is_operator = is_operator  # OPERATOR(..)
        self.common_table = common_table  # the name that WITH gives to what is in this bracket
        self.counted = counted
        self.nesting: int = 0 if outer is None else outer.nesting + 1 + outer.prefixes
        self.is_costly = is_costly
        # costly levels from the outermost to here
        self.costly: int = (0 if outer is None else outer.costly) + is_costly
        self.below = 0  # costly levels and casts inside this level, one in the other
        self.prefixes: int = 0  # NOT, -, + and the like in front of this operand
        self.items = 1
        self.logical = 0  # AND, OR of this item
        self.inner = 0  # other operators of this operand
        self.child = 0  # depth of the deepest bracket in this operand
        self.operand = 0  # depth of the deepest operand before this one
        self.peak = 0  # depth of the deepest item before this one
        self.scans = 0  # tables that are read in this level

    def depth(self) -> int:
        return self.logical + max(self.operand, self.inner + self.child)

    def end_operand(self) -> None:
        self.operand = max(self.operand, self.inner + self.child)
        self.inner = self.child = self.prefixes = 0

    def end_item(self) -> int:
        """Returns the depth of the item."""
        depth = self.depth()
        self.peak = max(self.peak, depth)
        self.logical = self.inner = self.child = self.operand = self.prefixes = 0
        return depth
