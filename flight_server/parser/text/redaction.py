"""Redaction removes passwords and credentials from texts that are kept or shown.

Too much is hidden rather than too little, since people mistype, and a text that failed is kept as well:

1. A statement whose first words are those of a query, a change or a definition without secrets keeps its strings, but
   for those behind a word as PASSWORD, and values of names as `secret_key`.
2. Of any other one (about a USER or a STORAGE, or mistyped) words of the grammar and the name are kept, and what stands
   behind options that hold no secret, as long as all of its words are known.
3. A text that can't be cut into tokens is kept if it begins as in 1 and speaks of no secret, else hidden whole.

Comments go where anything may be hidden. In URIs users, passwords and signatures are hidden everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from flight_server.parser.text.lexer import Token, TokenKind, lex
from flight_server.parser.text.secret_words import (
    OPEN_OPTIONS,
    SECRET_IN_DEFINITION,
    SECRET_NAME,
    SECRETS,
    SUBJECTS,
    SUSPECT,
    VOCABULARY,
    is_like,
)
from storage.errors import InvalidRequest

HIDDEN: Final = "'***'"
UNREADABLE: Final = "(hidden: a text that speaks of a password or of credentials and can't be read)"
SHOWN_CHARACTERS_MAX: Final = 10_000
_NOTHING: Final = Token(TokenKind.SYMBOL, "", "", 0, 0)
_OPEN: Final = (
    r"(?:EXPLAIN\s+)?(?:ANALYZE\s+|VERBOSE\s+)*"
    r"(?:SELECT|VALUES|WITH|TABLE|INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COMMENT|SUBSCRIBE|SHOW|DESCRIBE|DESC|BEGIN|START"
    r"|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|KILL|WAIT|FLUSH|COMPACT|EVICT|SCRUB|BACKUP|RESTORE|GRANT|REVOKE|CALL)"
    r"(?![\w$])|\("
)
_OPEN_KINDS: Final = r"(?:TABLE|VIEW|STREAM|NAMESPACE|SCHEMA)(?![\w$])"
_MODIFIERS: Final = r"(?:(?:OR\s+REPLACE|SHARED|USER|STREAM|TEMPORARY|TEMP|LOCAL|GLOBAL)\s+)*"
_OPEN_SETTINGS: Final = (
    "time_zone|timezone|time|schema|search_path|current_schema|catalog|durability|compression|exact_types|transaction"
    "|statement_timeout_seconds|session|client_encoding|standard_conforming_strings"
)
_BEGINS_OPEN: Final = re.compile(
    rf"\s*(?:{_OPEN}|(?:CREATE|ALTER|DROP)\s+{_MODIFIERS}{_OPEN_KINDS}|(?:SET|RESET)\s+(?:LOCAL\s+|SESSION\s+)?"
    rf"(?:{_OPEN_SETTINGS})(?![\w$])|USE\s+\w+\s*\Z)",
    re.IGNORECASE,
)
_DEFINES: Final = re.compile(r"\s*(?:CREATE|ALTER|SET)(?![\w$])", re.IGNORECASE)
_URI_USER: Final = re.compile(r"(?<=://)[^/\s'\"@]+(?=@)")
_URI_SECRET: Final = re.compile(
    r"([?&;][\w-]{0,40}(?:pass|pwd|secret|token|key|sig|auth|credential)[\w-]{0,40}=)[^&'\"\s]+", re.IGNORECASE
)
_KEY_IN_STRING: Final = re.compile(
    r"(?:pass|pwd|secret|credential|token|api_?key|access_?key|private_?key|authorization|signature)[\w-]{0,40}"
    r"['\"\\]{0,4}\s{0,9}[:=]",
    re.IGNORECASE,
)


def without_secrets(sql: str) -> str:
    """`sql` as it may be kept and shown."""
    is_open = _BEGINS_OPEN.match(sql) is not None
    if is_open and ";" not in sql.rstrip("; \n") and not _speaks_of_secrets(sql):
        return sql
    try:
        tokens = lex(sql)
    except InvalidRequest:
        return sql if is_open and not _speaks_of_secrets(sql) and not _names_subject(sql) else UNREADABLE
    if len(sql) > SHOWN_CHARACTERS_MAX:  # nobody is shown more, and looking at words takes its time
        tokens = [token for token in tokens if token.end <= SHOWN_CHARACTERS_MAX]
        sql = sql[: tokens[-1].end] if tokens else ""
    hidden = set(_hidden_at(sql, tokens))
    shown = _without(sql, tokens, hidden) if hidden or not is_open or SUSPECT.search(sql) else sql
    return _URI_SECRET.sub(r"\1***", _URI_USER.sub("***", shown))


def _speaks_of_secrets(sql: str) -> bool:
    return (
        SUSPECT.search(sql) is not None
        or (_DEFINES.match(sql) is not None and SECRET_IN_DEFINITION.search(sql) is not None)
        or _KEY_IN_STRING.search(sql) is not None
    )


def _names_subject(sql: str) -> bool:
    words = re.findall(r"[A-Za-z_]{3,20}", sql[:SHOWN_CHARACTERS_MAX])
    return any(is_like(word, (*SUBJECTS, *SECRETS)) for word in words)


def _hidden_at(sql: str, tokens: Sequence[Token]) -> Iterator[int]:
    """Which tokens are hidden, by their places in `tokens`."""
    first = 0
    for at, token in enumerate([*tokens, Token(TokenKind.SYMBOL, ";", "", 0, 0)]):
        if token.key == ";":
            yield from _hidden_within(sql, tokens, first, at)
            first = at + 1


def _hidden_within(sql: str, tokens: Sequence[Token], first: int, end: int) -> Iterator[int]:
    """Of one statement, or of the one inside EXECUTE AS USER 'x' (..)."""
    if first >= end:
        return
    keys = [token.key for token in tokens[first:end]]
    if keys[:3] == ["EXECUTE", "AS", "USER"] and keys[4:5] == ["("]:
        yield from _hidden_within(sql, tokens, first + 5, end)
        return
    words = " ".join(sql[token.start : token.end] for token in tokens[first : min(end, first + 8)])
    if end - first < 8:
        words = f"{words} "
    yield from _behind_secrets(tokens, first, end, is_definition=_DEFINES.match(words) is not None)
    is_open = _BEGINS_OPEN.match(words.rstrip() if keys[0] == "USE" else words) is not None
    from_ = _definition_at(tokens, first + 1, end) if is_open else first
    yield from _of_others(tokens, from_, end)


def _definition_at(tokens: Sequence[Token], first: int, end: int) -> int:
    """Where CREATE USER and the like begins, the `;` before it forgotten; `end` if nowhere."""
    begins = (at for at in range(first, end - 1) if tokens[at].key in ("CREATE", "ALTER"))
    return next((at for at in begins if _is_word(tokens[at + 1], SUBJECTS)), end)


def _behind_secrets(tokens: Sequence[Token], first: int, end: int, *, is_definition: bool) -> Iterator[int]:
    """Strings behind a word as PASSWORD, values of secret names, and strings that hold such names."""
    names = SECRET_IN_DEFINITION if is_definition else SECRET_NAME
    hiding = False
    for at in range(first, end):
        token, before = tokens[at], _meant_before(tokens, first, at)
        is_value = before.kind in (TokenKind.WORD, TokenKind.QUOTED) and names.search(before.value) is not None
        if token.kind is TokenKind.WORD and is_like(token.value, SECRETS):
            hiding = True
            continue
        is_hidden = hiding or is_value or _KEY_IN_STRING.search(token.value) is not None
        if (token.kind is TokenKind.STRING and is_hidden) or (
            token.kind is TokenKind.QUOTED and _is_word(before, SECRETS)
        ):
            yield at


def _meant_before(tokens: Sequence[Token], first: int, at: int) -> Token:
    """The token before, over `=`, `:`, `=>` and TO."""
    at -= 1
    while at >= first and tokens[at].key in ("=", ":", "=>", ":=", "TO"):
        at -= 1
    return tokens[at] if at >= first else _NOTHING


def _of_others(tokens: Sequence[Token], first: int, end: int) -> Iterator[int]:
    """All of a statement that may be a secret: what is neither grammar, nor the name, nor an open option's value."""
    subject = next((at for at in range(first, end) if _is_word(tokens[at], SUBJECTS)), None)
    name = _name_at(tokens, subject, end)
    from_ = end if subject is None else max(subject, name) + 1
    odd = [at for at in range(from_, end) if not _is_known(tokens, at)]
    for at in range(first, end):
        token = tokens[at]
        if at == name or token.kind in (TokenKind.PARAMETER, TokenKind.SYMBOL):
            continue
        if token.kind in (TokenKind.STRING, TokenKind.QUOTED):
            if odd or at < from_ or not _is_known(tokens, at):
                yield at
        elif (at >= from_ and not _is_known(tokens, at)) or _follows_secret(tokens, at, first):
            yield at


def _is_word(token: Token, meant: Sequence[str]) -> bool:
    return token.kind is TokenKind.WORD and is_like(token.value, meant)


def _name_at(tokens: Sequence[Token], subject: int | None, end: int) -> int:
    """The name behind USER or STORAGE; -1 where none is."""
    at = end if subject is None else subject + 1
    while at < end and tokens[at].key in ("IF", "NOT", "EXISTS"):
        at += 1
    is_name = at < end and tokens[at].kind in (TokenKind.STRING, TokenKind.QUOTED, TokenKind.WORD)
    return at if is_name and tokens[at].key not in VOCABULARY and not _is_word(tokens[at], SECRETS) else -1


def _is_known(tokens: Sequence[Token], at: int) -> bool:
    """A word of the grammar, or what stands behind an option that holds no secret."""
    token, before = tokens[at], tokens[at - 1]
    if token.kind in (TokenKind.PARAMETER, TokenKind.SYMBOL) or token.key in VOCABULARY:
        return True
    if before.key == "=":
        before = tokens[at - 2]
    return before.key in OPEN_OPTIONS


def _follows_secret(tokens: Sequence[Token], at: int, first: int) -> bool:
    """A bare word or number as a password."""
    return tokens[at].key not in VOCABULARY and _is_word(_meant_before(tokens, first, at), SECRETS)


def _without(sql: str, tokens: Sequence[Token], hidden: set[int]) -> str:
    """The text with `hidden` replaced, and blanks for comments."""
    parts: list[str] = []
    end = 0
    for at, token in enumerate(tokens):
        gap = sql[end : token.start]
        parts += [gap if not gap or gap.isspace() else " ", HIDDEN if at in hidden else sql[token.start : token.end]]
        end = token.end
    rest = sql[end:]
    return "".join([*parts, rest if rest.isspace() else ""])
