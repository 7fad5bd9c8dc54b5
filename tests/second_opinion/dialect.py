"""Differences between Frostline and DuckDB are listed: a query that differs is only excused by an entry of this table.

Each entry is told in docs/sql.md, in the list of differences, by the words of its name; a test holds them together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Difference:
    """name:     words of docs/sql.md
    ours, theirs: what each side says
    avoided: by what no query ever shows it; else these two, which both have to match:
    sql:     regex for the query, `said` one for what Frostline said of it
    """

    name: str
    ours: str
    theirs: str
    avoided: str = ""
    sql: str = ""
    said: str = ""

    def excuses(self, sql: str, said: str) -> bool:
        return not self.avoided and all(re.search(*each) is not None for each in ((self.sql, sql), (self.said, said)))


_SETTING: Final = "a setting of DuckDB makes it alike"
DIALECT: Final = (
    Difference("an integer divided by an integer is an integer", "7 / 2 = 3", "3.5", avoided=_SETTING),
    Difference("NULLs come first in descending order", "first", "last", avoided=_SETTING),
    Difference("a division by zero is an error", "22012", "NULL", avoided="divisors are constants or NULL for 0"),
    Difference(
        "A number with a point is a DOUBLE", "DOUBLE", "DECIMAL", avoided="every such literal is a CAST of text"
    ),
    Difference("BIGINT arithmetic and sums wrap around", "wraps", "an error", avoided="numbers are small"),
    Difference("CAST of a fraction to an integer cuts it off", "2", "3", avoided="no such CAST is made"),
    Difference("A DATE plus an INTERVAL is a DATE", "DATE", "TIMESTAMP", avoided="intervals are added to times alone"),
    Difference(
        "DECIMALs of four more digits", "DECIMAL", "DOUBLE", avoided="neither divided nor averaged; tolerance is 1e-9"
    ),
    Difference("give the default where x is NULL", "the default", "NULL", avoided="no offset of 0 with IGNORE NULLS"),
    Difference("`^` is the exclusive or", "xor", "power", avoided="not used"),
    Difference("`EXCEPT ALL`, `INTERSECT ALL`", "0A000", "rows", avoided="refusals are counted, not compared"),
    Difference(
        "CAST(TIMESTAMP '2024-01-02 03:04:05.5' AS VARCHAR)",
        "2024-01-02T03:04:05.500",
        "2024-01-02 03:04:05.5",
        sql=r"(?s)date_trunc\(.*AS VARCHAR",
        said=r"\d{4}-\d\d-\d\dT",
    ),
    Difference(
        "A NaN that is computed",
        "another value to GROUP BY",
        "one NaN",
        sql=r"(?s)(?=.*(?:NaN|\b[dr]\b))(?=.*(?:\(- |[-+*/] ))(?=.*(?:GROUP BY|DISTINCT|UNION|INTERSECT|EXCEPT|=))",
        said=r"\bnan\b",
    ),
    Difference("need a frame that begins with the partition", "0A000", "a value", avoided="refusals are counted"),
)


def excused(sql: str, said: str) -> str | None:
    """The name of the entry that explains what Frostline said."""
    return next((entry.name for entry in DIALECT if entry.excuses(sql, said)), None)
