"""Splits a text into statements at each `;` that is no part of a string, a name or a comment."""

from __future__ import annotations

from flight_server.parser.text.lexer import lex, syntax_error


def split_statements(text: str) -> tuple[str, ...]:
    """The statements of `text`, at least one, without their `;` and the comments around them.

    Raises InvalidRequest (42601) when there is none, or the text can't be read.
    """
    if text.strip() and not any(mark in text for mark in (";", "--", "/*", "{#")):
        return (text,)
    statements: list[str] = []
    first: int | None = None
    end = 0
    for token in lex(text):
        if token.key == ";":
            if first is not None:
                statements.append(text[first:end])
            first = None
            continue
        first = token.start if first is None else first
        end = token.end
    if first is not None:
        statements.append(text[first:end])
    if not statements:
        raise syntax_error(0, "no SQL statement in the text")
    return tuple(statements)
