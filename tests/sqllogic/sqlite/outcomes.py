"""What came of the records of one file."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

# right; another result, or success where an error is due; refused as docs/sql.md says; any other error; not judged,
# since it rests on a refused statement; right by SQL's types and not by SQLite's (fixed_types.py)
KINDS: Final = ("right", "wrong", "refused", "error", "follows", "typed")
# What docs/sql.md refuses: SQLSTATE, pattern of the sentence, and where it is written there.
DOCUMENTED: Final = (
    ("42701", "named twice", "named twice"),
    ("0A000", "^NOT IN of two lists", "where no value is in both lists, is refused"),
    ("42803", "GROUP BY", "not in GROUP BY"),  # SQLite takes any row's value
    ("42804", "can't cast|Cannot infer common", "wrong type"),  # SQLite compares everything with everything
    ("42804", r"^a \+ before a value", "wrong type"),
    ("42601", r"found: \) at", "syntax error"),  # IN ()
    ("22P02", "Cannot cast string", "text that is not a value of the type"),
    ("54001", "nested too deeply", "too long or too complex"),
    ("0A000", "is not supported", "Each of these gets 0A000"),  # UNIQUE, triggers, REPLACE
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_VARYING = re.compile(r"\(.*\)|\b\w*\d\w*(\.\w+)?\b|(?<='\.\.')\.\w+|(?<=field name )\w+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One record in one state. The texts are empty where they have nothing to say."""

    kind: str
    line: int
    state: str
    sql: str
    sqlstate: str = ""
    message: str = ""
    expected: tuple[str, ...] = ()
    got: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The sentence without the names in it: what errors of one class have in common."""
        return _VARYING.sub("#", _QUOTED.sub("'..'", " ".join(self.message.split())))[:160]


@dataclass(slots=True)
class FileReport:
    """`counts` has queries and statements; `noted` all that was not right. `left_out`: queries that were not run."""

    name: str
    queries: Counter[str] = field(default_factory=Counter)
    statements: Counter[str] = field(default_factory=Counter)
    noted: list[Outcome] = field(default_factory=list)
    left_out: int = 0
    seconds: float = 0.0
    ended: str = ""

    def of_kind(self, kind: str) -> list[Outcome]:
        return [outcome for outcome in self.noted if outcome.kind == kind]


def kind_of_error(sqlstate: str, message: str) -> str:
    known = any(sqlstate == code and re.search(pattern, message) for code, pattern, _ in DOCUMENTED)
    return "refused" if known else "error"
