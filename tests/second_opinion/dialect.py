"""Differences between Frostline and DuckDB are listed: a query that differs is only excused by an entry of this table.

Each entry is a sentence of docs/sql.md, which a test holds together with this table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Difference:
    """name:   a text that stands in docs/sql.md, in the list of differences
    ours, theirs: what each side says
    sql:    regex that a query has to match, `said` one for what Frostline said of it; both have to
            with neither, the grammars avoid it and nothing is excused
    """

    name: str
    ours: str
    theirs: str
    sql: str = ""
    said: str = ""

    def excuses(self, sql: str, said: str) -> bool:
        return bool(self.sql or self.said) and all(
            re.search(pattern, where, re.IGNORECASE) is not None
            for pattern, where in ((self.sql, sql), (self.said, said))
            if pattern
        )


DIALECT: Final = (
    Difference(
        "Two output columns of one name have to be told apart with AS",
        "42701",
        "both columns, of one name",
        said=r"^error 42701",
    ),
)


def excused(sql: str, said: str) -> str | None:
    """The name of the entry that explains what Frostline said."""
    return next((entry.name for entry in DIALECT if entry.excuses(sql, said)), None)
