"""Functions that make much out of little, told how much by a number in the text: repeat('x', 1000000000).

The engine takes such memory without asking its pool, and folds constants while it plans, where nothing can stop it.
This catches what people write by accident. A number that is computed, bound or read from a table is not seen here.
"""

from __future__ import annotations

import re
from typing import Final

from flight_server.sql.guard_limits import over_limit
from flight_server.sql.guard_piece import Piece

_COUNTED: Final = frozenset(("REPEAT", "LPAD", "RPAD", "ARRAY_REPEAT", "LIST_REPEAT", "ARRAY_RESIZE", "LIST_RESIZE"))
_SERIES: Final = frozenset(("RANGE", "GENERATE_SERIES"))  # as values; in FROM they stream
_STRING: Final = re.compile(r"'(?:[^']|'')*'")
_WHOLE_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\d+(?![\w.])")


class Amplifiers:
    """Reads pieces in order; raises LimitExceeded (54001) at a number over the limit."""

    def __init__(self, repeated_max: int) -> None:
        self._repeated_max = repeated_max
        self._word = ""  # directly before what comes now
        self._open: list[bool] = []  # brackets: whether they hold the arguments of a counted function

    def take(self, piece: Piece, text: str, *, in_tables: bool) -> None:
        word, self._word = self._word, ""
        if piece is Piece.WORD:
            self._word = text.upper()
        elif piece is Piece.QUOTED:
            self._word = text[1:-1].upper()
        elif piece is Piece.OPEN:
            self._open.append(word in _COUNTED)
        elif piece is Piece.CLOSE:
            self._open = self._open[:-1]
        elif piece is Piece.OPERAND and text.startswith("("):
            self._check_all(word, _whole_numbers(text), in_tables=in_tables)
        elif piece is Piece.OPERAND and self._open and self._open[-1] and text.isdigit():
            self._check(int(text))

    def _check_all(self, word: str, numbers: list[int], *, in_tables: bool) -> None:
        if word in _COUNTED:
            self._check(max(numbers, default=0))
        elif word in _SERIES and numbers and not in_tables:
            start, end = numbers[:2] if len(numbers) > 1 else (0, numbers[0])
            step = numbers[2] if len(numbers) > 2 else 1
            self._check((end - start) // (step or 1))

    def _check(self, asked: int) -> None:
        if asked > self._repeated_max:
            raise over_limit("copies, characters or elements made by one call", self._repeated_max, "ask for fewer")


def _whole_numbers(arguments: str) -> list[int]:
    return [int(number) for number in _WHOLE_NUMBER.findall(_STRING.sub("''", arguments)) if len(number) < 30]
