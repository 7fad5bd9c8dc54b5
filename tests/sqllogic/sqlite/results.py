"""Results as SQLite's runner writes them: a line a value, printed as the query's type letters say, sorted, hashed.

| letter | printed | of a value of another kind |
| --- | --- | --- |
| I | %d, of 32 bits | cut to its whole part; true is 1; text gives the number that it begins with, else 0 |
| R | %.3f | likewise |
| T | as it is; `(empty)`; `@` for what can't be printed | numbers with up to 15 digits |
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

_HASHED = re.compile(r"(\d+) values hashing to ([0-9a-f]{32})$")
_NUMBER = re.compile(r"\s*[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_UNPRINTABLE = re.compile(r"[^ -~]")
INTEGERS: Final = 2**32


def values_of(table: pa.Table, types: str, sort: str) -> list[str]:
    """All values of a result, in the order in which a file has them."""
    return arranged(zip(*map(_python, table.columns), strict=True), types, sort)


def arranged(rows: Iterable[Sequence[Any]], types: str, sort: str) -> list[str]:
    """Likewise, of rows of Python's values."""
    lines = [[shown(value, letter) for value, letter in zip(row, types, strict=True)] for row in rows]
    if sort == "rowsort":
        lines.sort()
    values = [value for line in lines for value in line]
    return sorted(values) if sort == "valuesort" else values


def _python(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column.to_pylist()
    return values


def shown(value: Any, letter: str) -> str:
    if value is None:
        return "NULL"
    if letter == "T":
        return _UNPRINTABLE.sub("@", _text(value)) or "(empty)"
    number = _number(value)
    if letter == "R":
        return f"{number:.3f}"
    return str((int(number) + INTEGERS // 2) % INTEGERS - INTEGERS // 2)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        text = f"{value:.15g}"
        return text if re.search(r"[.en]", text) else f"{text}.0"
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _number(value: Any) -> int | float | Decimal:
    if isinstance(value, int | float | Decimal):
        return value
    found = _NUMBER.match(_text(value))
    return float(found[0]) if found else 0


def agree(values: list[str], expected: tuple[str, ...]) -> bool:
    hashed = _HASHED.match(expected[0]) if len(expected) == 1 else None
    if hashed is None:
        return tuple(values) == expected
    return (str(len(values)), digest(values)) == hashed.groups()


def digest(values: list[str]) -> str:
    return hashlib.md5("".join(f"{value}\n" for value in values).encode(), usedforsecurity=False).hexdigest()


def digest_of_expected(expected: tuple[str, ...]) -> str:
    """What results of one label have in common, whether the file has values or their hash."""
    hashed = _HASHED.match(expected[0]) if len(expected) == 1 else None
    return hashed[2] if hashed else digest(list(expected))
