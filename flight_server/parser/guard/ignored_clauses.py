"""Clauses that the engine reads and does nothing about are refused: whoever writes one wants what it says.

Most come from other databases: samples, locks, hints, output formats. What a table or column may be called as well is
told from the clause by what stands before and behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from flight_server.parser.text.cursor import RESERVED
from flight_server.parser.text.lexer import Token, TokenKind
from storage.errors import NotSupported

_QUERY_STARTS: Final = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "(", "FROM"))
_READ_WHOLE: Final = _QUERY_STARTS | {"EXPLAIN", "DESCRIBE", "DESC", "INSERT", "UPDATE", "DELETE", "MERGE"}
# Words behind which no clause begins, though they are no symbols.
_NO_OPERANDS: Final = (RESERVED | {"BY", "SYSTEM_TIME", "RECURSIVE"}) - {"NULL", "TRUE", "FALSE", "END", "ALL"}
_METHODS: Final = ("SYSTEM", "BERNOULLI", "BLOCK", "ROW", "RESERVOIR")
_JOINS: Final = ("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "SEMI", "ANTI")
_LOCKS: Final = ("UPDATE", "SHARE", "NO", "KEY")
_OUTPUTS: Final = ("XML", "JSON", "BROWSE")
_ENDS_COMMON_TABLES: Final = ("SELECT", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE")
_WITHIN_CALLS: Final = ("SUBSTRING", "OVERLAY", "TRIM")
_SET_OPERATIONS: Final = ("UNION", "EXCEPT", "INTERSECT")
_FRAMES: Final = ("PARTITION", "ORDER", "ROWS", "RANGE", "GROUPS", ")")


class _Place:
    """One token of a statement and what is around it."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.calls: list[str] = []  # of each open bracket the word before it
        self.levels = [""]  # of the statement and each open bracket: WITH, as long as only common tables came, or ""
        self.has_window = False

    def follow(self) -> None:
        """Keep count of brackets."""
        key = self.tokens[self.at].key
        if key == "(":
            self.calls.append(self.key(-1))
            self.levels.append("")
        elif key == ")" and self.calls:
            self.calls.pop()
            self.levels.pop()
        elif key == "WITH" and (self.key(1) == "RECURSIVE" or self.key(2) in ("AS", "(")):
            self.levels[-1] = key
        elif key in _ENDS_COMMON_TABLES:
            self.levels[-1] = ""

    @property
    def has_select_behind(self) -> bool:
        """Whether SELECT follows, outside of brackets, before what is around it ends."""
        depth = 0
        for token in self.tokens[self.at + 1 :]:
            depth += (token.key == "(") - (token.key == ")")
            if depth < 0 or (depth == 0 and token.key in _SET_OPERATIONS):
                return False
            if depth == 0 and token.key == "SELECT":
                return True
        return False

    def key(self, ahead: int) -> str:
        at = self.at + ahead
        return self.tokens[at].key if 0 <= at < len(self.tokens) else ""

    def kind(self, ahead: int) -> TokenKind | None:
        at = self.at + ahead
        return self.tokens[at].kind if 0 <= at < len(self.tokens) else None

    @property
    def is_behind_operand(self) -> bool:
        """Whether a name, a value or a closing bracket stands before it."""
        kind, key = self.kind(-1), self.key(-1)
        if kind is TokenKind.SYMBOL:
            return key in (")", "]")
        return kind is not None and key not in _NO_OPERANDS

    def ends_at(self, ahead: int) -> bool:
        """Whether the query, or its clause, ends there."""
        return self.key(ahead) in (")", ";", "SETTINGS", "FORMAT") or self.kind(ahead) is None


def refuse_ignored(tokens: Sequence[Token]) -> None:
    """Raises NotSupported with what to write instead."""
    start = _query_start(tokens)
    if start is None:
        return
    if _CLAUSES.keys().isdisjoint(token.key for token in tokens):  # as rows of VALUES, of which there may be many
        return
    place = _Place(tokens)
    for place.at in range(start, len(tokens)):
        place.follow()
        look = _CLAUSES.get(tokens[place.at].key)
        found = None if look is None else look(place)
        if found is not None:
            raise NotSupported(found)


def _query_start(tokens: Sequence[Token]) -> int | None:
    """Where the query of the statement begins, if it has one."""
    first = tokens[0].key if tokens else ""
    if first in _READ_WHOLE:
        return 0
    if first != "CREATE":
        return None
    for at in range(len(tokens) - 1):
        behind = tokens[at + 2].key if tokens[at + 1].key == "(" and at + 2 < len(tokens) else tokens[at + 1].key
        if tokens[at].key == "AS" and behind in _QUERY_STARTS:
            return at + 1
    return None


def _sample(place: _Place) -> str | None:
    is_sized = place.key(1) in ("(", *_METHODS) or place.kind(1) is TokenKind.NUMBER
    if place.is_behind_operand and is_sized:
        return "TABLESAMPLE is not supported; use WHERE random() < 0.1"
    return None


def _for(place: _Place) -> str | None:
    if place.calls and place.calls[-1] in _WITHIN_CALLS:
        return None
    if place.key(1) in _LOCKS:
        return "FOR UPDATE and FOR SHARE are not supported; conflicts are found when a transaction commits (40001)"
    if place.key(1) in _OUTPUTS:
        return f"FOR {place.key(1)} is not supported; results are Arrow"
    return None


def _format(place: _Place) -> str | None:
    is_format = place.kind(1) is TokenKind.WORD and (place.key(1) not in RESERVED or place.key(1) == "NULL")
    if place.is_behind_operand and is_format and place.ends_at(2):
        return "FORMAT is not supported; results are Arrow"
    return None


def _settings(place: _Place) -> str | None:
    if place.is_behind_operand and place.kind(1) is TokenKind.WORD and place.key(2) == "=":
        return "SETTINGS is not supported; use SET for the session"
    return None


def _prewhere(place: _Place) -> str | None:
    if place.is_behind_operand and place.kind(1) is not TokenKind.SYMBOL and not place.ends_at(1):
        return "PREWHERE is not supported; use WHERE"
    return None


def _with(place: _Place) -> str | None:
    behind = place.key(1)
    if not place.is_behind_operand:
        return None
    if behind == "(":
        return "a hint, WITH (..), is not supported; leave it out"
    if behind == "ORDINALITY":
        return "WITH ORDINALITY is not supported; use row_number()"
    if behind in ("ROLLUP", "CUBE", "TOTALS") and place.key(2) not in ("AS", "("):
        return f"WITH {behind} is not supported; use GROUP BY {'ROLLUP' if behind == 'TOTALS' else behind} (..)"
    return None


def _partition(place: _Place) -> str | None:
    if place.is_behind_operand and place.key(1) == "(":
        return "PARTITION (..) behind a table is not supported; use WHERE"
    return None


def _global(place: _Place) -> str | None:
    if place.is_behind_operand and place.key(1) in _JOINS and place.key(-1) != ".":
        return "GLOBAL before JOIN is not supported; leave it out"
    return None


def _hierarchy(place: _Place) -> str | None:
    words = (place.key(0), place.key(1))
    if words in (("CONNECT", "BY"), ("START", "WITH")) and place.is_behind_operand:
        return f"{' '.join(words)} is not supported; use WITH RECURSIVE"
    return None


def _ilike(place: _Place) -> str | None:
    if place.key(-1) == "*" and place.key(-2) in ("SELECT", "DISTINCT", "ALL", ",", "."):
        return "* ILIKE is not supported; name the columns"
    return None


def _limit_by(place: _Place) -> str | None:
    if place.key(-2) == "LIMIT":
        return "LIMIT .. BY is not supported; use row_number() in QUALIFY"
    return None


def _over(place: _Place) -> str | None:
    if place.key(1) == "(" and _is_base_window(place, 2):
        return _BASE_WINDOW
    return None


def _window(place: _Place) -> None:
    place.has_window |= place.key(2) == "AS" and place.key(3) == "("


def _window_as(place: _Place) -> str | None:
    if place.has_window and place.key(1) == "(" and _is_base_window(place, 2) and place.key(-2) in ("WINDOW", ","):
        return _BASE_WINDOW
    return None


def _is_base_window(place: _Place, ahead: int) -> bool:
    is_name = place.kind(ahead) in (TokenKind.WORD, TokenKind.QUOTED)
    return is_name and place.key(ahead) not in _FRAMES and place.key(ahead) not in _QUERY_STARTS


def _from(place: _Place) -> str | None:
    """A query without SELECT gives rows without columns."""
    before = place.key(-1)
    begins = (before == "(" and place.calls[-1] not in _WITHIN_CALLS) or before in _SET_OPERATIONS
    begins |= before in ("ALL", "DISTINCT") and place.key(-2) in _SET_OPERATIONS
    begins |= place.levels[-1] == "WITH"
    if not begins or place.has_select_behind:
        return None
    return "FROM without SELECT is not supported; write SELECT * FROM"


_BASE_WINDOW: Final = "a window that begins with another window's name is not supported; write its parts out"
_CLAUSES: Final[dict[str, Callable[[_Place], str | None]]] = {
    "TABLESAMPLE": _sample,
    "SAMPLE": _sample,
    "FOR": _for,
    "FORMAT": _format,
    "SETTINGS": _settings,
    "PREWHERE": _prewhere,
    "WITH": _with,
    "PARTITION": _partition,
    "GLOBAL": _global,
    "CONNECT": _hierarchy,
    "START": _hierarchy,
    "ILIKE": _ilike,
    "BY": _limit_by,
    "OVER": _over,
    "WINDOW": _window,
    "AS": _window_as,
    "FROM": _from,
}
