"""Numbers parameters: `?` becomes `$1`, `$2`, .. so that the engine, which knows only these, gets one form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from flight_server.parser.text.lexer import Token, TokenKind, syntax_error
from flight_server.parser.text.sql_text import SqlText
from storage.errors import InvalidRequest
from storage.whole_numbers import whole_number

_APART: Final = "(),;:=<>+-*/%|[]"  # and the empty text, at the ends
_NUMBER_END: Final = 1_000_000
PARAMETERS_MAX: Final = 65_535  # as PostgreSQL and JDBC clients have it


@dataclass(frozen=True, slots=True)
class NumberedText:
    """`text` with parameters `$1` .. `$count` only."""

    text: SqlText
    count: int


def number_parameters(text: SqlText) -> NumberedText:
    """Rewrite `?` outside strings, names and comments. Raises InvalidRequest for mixed forms and gaps."""
    if "?" not in text.sql and "$" not in text.sql:
        return NumberedText(text, 0)
    found = [token for token in text.tokens if token.kind is TokenKind.PARAMETER]
    unnumbered = sum(token.value == "?" for token in found)
    if not unnumbered:
        return NumberedText(text, _highest(found))
    mixed = next((token for token in found if token.value != "?"), None)
    if mixed is not None:
        raise syntax_error(mixed.start, f"{mixed.value} and ? can't be mixed; use one form of parameters")
    _check_count(unnumbered)
    return NumberedText(_numbered(text), unnumbered)


def _numbered(text: SqlText) -> SqlText:
    """Its tokens are known: those of `text`, moved, and a number for each `?`."""
    tokens: list[Token] = []
    parts: list[str] = []
    end = moved = number = 0
    for token in text.tokens:
        if token.kind is not TokenKind.PARAMETER:
            tokens.append(token._replace(start=token.start + moved, end=token.end + moved) if moved else token)
            continue
        number += 1
        value = f"${number}"
        before, behind = _gap(text.sql, token.start - 1), _gap(text.sql, token.end)
        start = token.start + moved + len(before)
        tokens.append(Token(TokenKind.PARAMETER, "", value, start, start + len(value)))
        parts += (text.sql[end : token.start], before, value, behind)
        end = token.end
        moved += len(before) + len(value) + len(behind) - 1
    return SqlText("".join((*parts, text.sql[end:])), tokens)


def _gap(text: str, at: int) -> str:
    """A blank if the character at `at` would run together with a number: `LIMIT?`, `?AS a`."""
    neighbour = text[at : at + 1] if at >= 0 else ""
    return "" if neighbour.isspace() or neighbour in _APART else " "


def _highest(found: Iterable[Token]) -> int:
    numbers = {_number(token) for token in found}
    _check_count(max(numbers, default=0))
    missing = next((number for number in range(1, len(numbers) + 1) if number not in numbers), None)
    if missing is not None:
        raise InvalidRequest(f"parameter ${missing} is missing: number them $1, $2, .. without gaps", sqlstate="42P02")
    return len(numbers)


def _number(token: Token) -> int:
    number = None if token.value[1:].startswith("0") else whole_number(token.value[1:])
    if number is None or number >= _NUMBER_END:
        raise syntax_error(token.start, "a parameter is ? or a number from $1 up")
    return number


def _check_count(count: int) -> None:
    if count > PARAMETERS_MAX:
        raise InvalidRequest(f"{count} parameters are too many: a statement takes {PARAMETERS_MAX}", sqlstate="54000")
