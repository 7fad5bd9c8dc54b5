"""Pieces are what the guard cuts a text into."""

from __future__ import annotations

from enum import Enum, auto


class Piece(Enum):
    OPERAND = auto()  # a number, a string, a parameter, or a bracket of nothing but these
    QUOTED = auto()  # a quoted name
    WORD = auto()
    OPEN = auto()
    CLOSE = auto()
    SYMBOL = auto()
