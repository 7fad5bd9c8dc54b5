"""Cursor is a reading position in a statement: the vocabulary from which all parsers are built.

A parser asks for what must come next (`expect`, `name`, `table`) or may come next (`accept`); what belongs to the
engine (expressions, queries) is taken as a slice of the text whose brackets are known to be balanced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, TypeVar

from flight_server.parser.statements.table_ref import TableRef
from flight_server.parser.text.lexer import Token, TokenKind, syntax_error
from flight_server.parser.text.made_names import version_of
from flight_server.parser.text.sql_text import SqlText
from storage.catalog.names import CATALOG, checked_name, folded
from storage.errors import InvalidRequest, NotFound, NotSupported
from storage.whole_numbers import DIGITS_MAX, whole_number

T = TypeVar("T")

OPENING: Final = {"(": ")", "[": "]", "{": "}"}
CLOSING: Final = frozenset(OPENING.values())
# Words that end an expression, so that nothing behind it is taken for a part of it.
_CLAUSES: Final = "SELECT FROM WHERE GROUP HAVING ORDER LIMIT UNION INTERSECT EXCEPT RETURNING"
CLAUSE_WORDS: Final = frozenset(_CLAUSES.split())
# These, too, unless they stand where only a value can: they are usual names of columns.
_SOFT_CLAUSE_WORDS: Final = frozenset(("OFFSET", "FETCH", "WINDOW", "QUALIFY"))
_OPERATORS: Final = "AND OR NOT BETWEEN LIKE ILIKE IN IS FROM TO SIMILAR ESCAPE"
_BEFORE_VALUE: Final = frozenset(_OPERATORS.split())
# Words that can't be a name unless quoted: the engine, too, would take them for something else.
_NO_NAMES: Final = (
    "ALL AND AS BETWEEN CASE CAST CHECK CONSTRAINT CREATE CROSS DEFAULT DISTINCT ELSE END EXISTS FALSE FOR FOREIGN "
    "FULL IN INNER INSERT INTO IS JOIN LEFT LIKE NATURAL NOT NULL ON OR OUTER PRIMARY REFERENCES RIGHT SET TABLE THEN "
    "TO TRUE UNIQUE USING VALUES WHEN WITH"
)
RESERVED: Final = CLAUSE_WORDS | frozenset(_NO_NAMES.split())
# First words of statements whose errors may repeat strings.
_FIRST_WORDS: Final = "SELECT VALUES WITH TABLE INSERT UPDATE DELETE MERGE SUBSCRIBE COMMENT ("
_SHOWN: Final = frozenset(_FIRST_WORDS.split())
_END: Final = Token(TokenKind.SYMBOL, "", "", 0, 0)
_JOINING: Final = {("DISTINCT", "FROM"), ("WITHIN", "GROUP")}  # IS DISTINCT FROM, WITHIN GROUP (..)


class Cursor:
    """Tokens of one statement and how far they are read."""

    def __init__(self, text: SqlText) -> None:
        self.tokens = text.tokens
        self.text = text.without_comments().sql
        self.at = 0
        self.hides_strings = not self.sees_any(_SHOWN)  # from errors: in a mistyped text they may be secrets

    # --- looking -----------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The next token; an empty one at the end of the text."""
        return self.peek(0)

    def peek(self, ahead: int) -> Token:
        index = self.at + ahead
        return self.tokens[index] if index < len(self.tokens) else _END

    @property
    def ended(self) -> bool:
        return self.at >= len(self.tokens)

    def sees(self, *keys: str) -> bool:
        """Are these words and symbols next, in this order?"""
        return all(self.peek(ahead).key == key for ahead, key in enumerate(keys))

    def sees_any(self, keys: Collection[str]) -> bool:
        return self.token.key in keys and not self.ended

    # --- taking ------------------------------------------------------------------------------------------------

    def accept(self, *keys: str) -> bool:
        """Step over `keys` if they are next."""
        if not self.sees(*keys):
            return False
        self.at += len(keys)
        return True

    def expect(self, *keys: str) -> None:
        for key in keys:
            if not self.accept(key):
                raise self.error(f"expected {key}")

    def accept_any(self, *keys: str) -> str | None:
        """Step over the one of `keys` that is next, and say which."""
        return next((key for key in keys if self.accept(key)), None)

    def expect_any(self, *keys: str) -> str:
        found = self.accept_any(*keys)
        if found is None:
            raise self.error(
                f"expected {', '.join(keys[:-1])} or {keys[-1]}" if len(keys) > 1 else f"expected {keys[0]}"
            )
        return found

    def if_exists(self) -> bool:
        return self._if("IF", "EXISTS")

    def if_not_exists(self) -> bool:
        return self._if("IF", "NOT", "EXISTS")

    def _if(self, *keys: str) -> bool:
        if not self.sees("IF"):
            return False
        self.expect(*keys)
        return True

    def name(self, what: str) -> str:
        """An identifier: unquoted ones fold to lower case."""
        token = self.token
        if token.kind is TokenKind.QUOTED:
            self.at += 1
            return token.value
        if token.kind is not TokenKind.WORD:
            raise self.error(f"expected the name of a {what}")
        if token.key in RESERVED:
            raise self.error(f"expected the name of a {what}; a reserved word must be in double quotes to be one")
        self.at += 1
        return folded(token.value)

    def sees_name(self) -> bool:
        """Is a quoted name next, or a word that is not reserved?"""
        token = self.token
        return token.kind is TokenKind.QUOTED or (token.kind is TokenKind.WORD and token.key not in RESERVED)

    def path(self, what: str) -> list[str]:
        """`a.b.c`"""
        names = [self.name(what)]
        while self.accept("."):
            names.append(self.name(what))
        return names

    def table(self, what: str = "table") -> TableRef:
        """`[frostline.][namespace.]table`, checked."""
        token = self.token
        return self.table_of(self.path(what), what, token)

    def table_of(self, names: list[str], what: str, token: Token) -> TableRef:
        """The table that a path names; `token` is where it begins."""
        if len(names) == 3 and names[0] == CATALOG:
            names = names[1:]
        if len(names) == 3:
            raise NotFound(f"catalog '{names[0]}' does not exist; there is only '{CATALOG}'", sqlstate="3D000")
        if len(names) > 3:
            raise syntax_error(
                token.start,
                f"{'.'.join(names)} has too many parts; write namespace.{what} (the one catalog is {CATALOG})",
            )
        if version_of(names[-1]) is not None:
            raise InvalidRequest(f"AS OF can't be used here: only a query can read a past version of a {what}")
        namespace = checked_name("namespace", names[0]) if len(names) == 2 else None
        return TableRef(namespace, checked_name(what, names[-1]))

    def aliased_table(self) -> TableRef:
        """`table [[AS] alias]`"""
        table = self.table()
        if self.accept("AS") or self.sees_name():
            return TableRef(table.namespace, table.table, self.name("alias"))
        return table

    def namespace(self) -> str:
        """`[frostline.]namespace`, checked."""
        names = self.path("namespace")
        if len(names) == 2 and names[0] == CATALOG:
            names = names[1:]
        if len(names) == 2:
            raise NotFound(f"catalog '{names[0]}' does not exist; there is only '{CATALOG}'", sqlstate="3D000")
        if len(names) > 2:
            raise self.error(f"{'.'.join(names)} has too many parts; write the name of a namespace alone")
        return checked_name("namespace", names[0])

    def string(self, what: str) -> str:
        """A string literal's content."""
        token = self.token
        if token.kind is not TokenKind.STRING:
            raise self.error(f"expected {what} as a string in single quotes")
        self.at += 1
        return token.value

    def whole_number(self, what: str) -> int:
        number = whole_number(self.token.value) if self.token.kind is TokenKind.NUMBER else None
        if number is None:
            raise self.error(f"expected {what} as a whole number of at most {DIGITS_MAX} digits")
        self.at += 1
        return number

    def listed(self, item: Callable[[], T]) -> tuple[T, ...]:
        """`item, item, ..` without brackets."""
        items = [item()]
        while self.accept(","):
            items.append(item())
        return tuple(items)

    def bracketed(self, item: Callable[[], T]) -> tuple[T, ...]:
        """`(item, item, ..)`"""
        self.expect("(")
        items = self.listed(item)
        self.expect(")")
        return items

    # --- slices ------------------------------------------------------------------------------------------------

    def expression(self, what: str, stops: Collection[str] = ()) -> str:
        """The text up to a comma, a closing bracket, a clause word or one of `stops`, all outside brackets."""
        first = self.at
        return self.slice(what, lambda: self._ends_expression(stops, is_first=self.at == first))

    def _ends_expression(self, stops: Collection[str], *, is_first: bool) -> bool:
        key = self.token.key
        if not key:
            return False
        before = self.tokens[self.at - 1]
        if key in _SOFT_CLAUSE_WORDS:
            is_value = before.key in _BEFORE_VALUE or (before.kind is TokenKind.SYMBOL and before.key not in CLOSING)
            return not (is_first or is_value)
        if not (key == "," or key in CLAUSE_WORDS or key in stops):
            return False
        return before.key != "." and (before.key, key) not in _JOINING

    def query(self, what: str, ends: Callable[[], bool] = lambda: False) -> str:
        """The text of a query: up to where `ends`, or the end of the statement."""
        if not self.sees_any(("SELECT", "WITH", "VALUES", "TABLE", "(")):
            raise self.error(f"expected {what}: SELECT, WITH or VALUES")
        table = self.accept("TABLE")
        text = self.slice(what, ends)
        return f"SELECT * FROM {text}" if table else text

    def slice(self, what: str, ends: Callable[[], bool]) -> str:
        """The text from here to the token, outside brackets and CASE .. END, for which `ends` is true."""
        first = self.at
        while not self.ended and self.token.key not in CLOSING and self.token.key != ";" and not ends():
            self._step_over()
        if self.at == first:
            raise self.error(f"expected {what}")
        return self.text[self.tokens[first].start : self.tokens[self.at - 1].end]

    def _step_over(self) -> None:
        """Past one token, or past all from an opening bracket to its closing one. No recursion: depth is the user's."""
        open_at: list[tuple[int, str]] = []
        while True:
            token, before = self.token, self.tokens[self.at - 1].key if self.at else ""
            if self.ended:
                raise syntax_error(open_at[-1][0], f"no {open_at[-1][1]} ends what begins here")
            key = token.key
            if key in OPENING:
                open_at.append((token.start, OPENING[key]))
            elif key == "CASE" and before != ".":
                open_at.append((token.start, "END"))
            elif open_at and (key == open_at[-1][1] and before != "."):
                open_at.pop()
            elif key in CLOSING or (key == ";" and open_at):
                raise self.error(f"expected {open_at[-1][1]}" if open_at else "nothing is open here")
            self.at += 1
            if not open_at:
                return

    # --- complaining -------------------------------------------------------------------------------------------

    def error(self, problem: str) -> InvalidRequest:
        """A syntax error at the next token."""
        if self.ended:
            return syntax_error(len(self.text.rstrip()), f"{problem}, found the end of the statement")
        token = self.token
        found = self.text[token.start : token.end]
        if self.hides_strings and token.kind in (TokenKind.STRING, TokenKind.QUOTED):
            found = "a string" if token.kind is TokenKind.STRING else "a quoted name"
        return syntax_error(token.start, f"{problem}, found {found if len(found) <= 40 else found[:38] + '..'}")

    def expect_end(self) -> None:
        """Nothing may follow. Raises InvalidRequest naming what does."""
        if not self.ended:
            raise self.error("expected the end of the statement")


def not_supported(statement: str, instead: str = "") -> NotSupported:
    """`statement` is understood and refused; `instead` says what to do."""
    return NotSupported(f"{statement} is not supported" + (f"; {instead}" if instead else ""))
