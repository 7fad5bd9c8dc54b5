"""Types in casts are those of columns: where the engine does not know the name, its own is written.

    CAST(x AS CHARACTER VARYING(5))     CAST(x AS VARCHAR(5))
    CAST(x AS FLOAT)                    CAST(x AS DOUBLE): to the engine FLOAT is REAL, and loses digits
    x::UBIGINT, x::BIT, x::DATETIME     x::BIGINT UNSIGNED, x::BOOLEAN, x::TIMESTAMP

Lengths of bytes are left out: the engine has no such type, and of texts it does not check them either. UUID and JSON
are left to the engine, which refuses them: a VARCHAR in their place would not be checked, nor be written in one way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from flight_server.parser.text.clauses import key_at
from flight_server.parser.text.cursor import Cursor
from flight_server.parser.text.sql_text import Edit, SqlText
from flight_server.parser.text.type_names import sql_type_name
from flight_server.parser.text.types import ReadType, read_type
from storage.errors import FrostlineError

_UNKNOWN_NAMES: Final = (
    "ARRAY BINARY BIT BLOB BYTE BYTES CHARACTER CLOB DATETIME DEC FLOAT INT1 NCHAR NVARCHAR ROW UBIGINT "
    "UINT UINT1 UINT2 UINT4 UINT8 UINTEGER USMALLINT UTINYINT VARBINARY VARYING"
)
_UNKNOWN: Final = frozenset(_UNKNOWN_NAMES.split())
_CHECKED: Final = frozenset(("UUID", "JSON", "JSONB"))
_ANY: Final = re.compile(rf"\b(?:{'|'.join(_UNKNOWN_NAMES.split())})\b", re.IGNORECASE)
_CASTS: Final = frozenset(("CAST", "TRY_CAST", "SAFE_CAST"))
_LIMITED_TEXT: Final = re.compile(r"(?:VARCHAR|CHAR)\(\d+\)")


def with_own_types(text: SqlText) -> SqlText:
    """`text` with the types of its casts as the engine has them. Raises InvalidRequest (unreadable)."""
    if _ANY.search(text.sql) is None or ("::" not in text.sql and "cast" not in text.sql.lower()):
        return text
    return text.edited(_edits(Cursor(text)))


def _edits(cursor: Cursor) -> Iterator[Edit]:
    for first in _types_of_casts(cursor):
        cursor.at = first
        try:
            found = read_type(cursor)
        except FrostlineError:  # the engine's to know or to refuse
            continue
        words = cursor.tokens[first : cursor.at]
        keys = {token.key for token in words}
        if keys & _UNKNOWN and not keys & _CHECKED:
            yield words[0].start, words[-1].end, _engine_name(found)


def _types_of_casts(cursor: Cursor) -> Iterator[int]:
    """Where the type of each cast begins."""
    is_cast = [False]  # of each open bracket
    for at, token in enumerate(cursor.tokens):
        if token.key == "(":
            is_cast.append(key_at(cursor.tokens, at - 1) in _CASTS)
        elif token.key == ")" and len(is_cast) > 1:
            is_cast.pop()
        elif token.key == "::" or (token.key == "AS" and is_cast[-1]):
            yield at + 1


def _engine_name(found: ReadType) -> str:
    if _LIMITED_TEXT.fullmatch(found.sql):
        return found.sql
    return sql_type_name(pa.binary() if pa.types.is_fixed_size_binary(found.type) else found.type)
