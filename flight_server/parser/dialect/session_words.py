"""Session words stand for a string that the engine does not know: they are written out before a text is planned.

    current_user, session_user, current_role, current_schema, current_catalog    with and without brackets
    current_database(), database(), schema(), version()                          with brackets alone
    user                                                  with brackets; without them among what a text without FROM
                                                          selects or inserts: it is a usual name of columns

What they stand for is the scope's. Each may have `pg_catalog.` before it. Where one is a column of the result by itself
it keeps its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from flight_server.parser.text.clauses import Clauses, key_at
from flight_server.parser.text.lexer import Token
from flight_server.parser.text.quoting import literal
from flight_server.parser.text.sql_text import Edit, SqlText
from storage.catalog.names import quoted

_BARE: Final = frozenset(("CURRENT_USER", "SESSION_USER", "CURRENT_ROLE", "CURRENT_SCHEMA", "CURRENT_CATALOG"))
CALLED: Final = _BARE | {"CURRENT_DATABASE", "DATABASE", "SCHEMA", "VERSION", "USER"}
_ANY: Final = re.compile(
    r"\b(current_(?:user|role|schema|catalog|database)|session_user|user|(?:database|schema|version)\s*\()",
    re.IGNORECASE,
)
_PREFIX: Final = "PG_CATALOG"

Words = Mapping[str, str]  # upper-case word -> what it stands for


def written_out(text: SqlText, words: Callable[[], Words]) -> SqlText:
    """`text` with the words written out; itself when there is none. Raises InvalidRequest (unreadable)."""
    return text if _ANY.search(text.sql) is None else text.edited(_edits(text.tokens, words()))


def _edits(tokens: Sequence[Token], words: Words) -> Iterator[Edit]:
    has_columns = any(token.key == "FROM" for token in tokens)
    clauses = Clauses()
    for at, token in enumerate(tokens):
        is_value = not has_columns and clauses.now.around in ("SELECT", "VALUES")
        last = _last_of_word(tokens, at, is_value=is_value) if token.key in words else None
        if last is not None:
            first = at - 2 if key_at(tokens, at - 1) == "." else at
            alias = f" AS {quoted(token.key.lower())}" if clauses.has_item(tokens, first, last) else ""
            yield tokens[first].start, tokens[last].end, literal(words[token.key]) + alias
        clauses.follow(token)


def _last_of_word(tokens: Sequence[Token], at: int, *, is_value: bool) -> int | None:
    """The last token of the word at `at`; None where it is a name."""
    key, before = tokens[at].key, key_at(tokens, at - 1)
    if before == "AS" or (before == "." and key_at(tokens, at - 2) != _PREFIX):
        return None
    if (key_at(tokens, at + 1), key_at(tokens, at + 2)) == ("(", ")") and key in CALLED:
        return at + 2
    if key_at(tokens, at + 1) in (".", "("):
        return None
    return at if key in _BARE or (key == "USER" and is_value) else None
