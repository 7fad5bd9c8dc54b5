"""`UPDATE SET *` and `INSERT *`: columns go by name from the source of a MERGE to its target.

A column that only the target has is left as it is by an update and gets its DEFAULT in an insert; one that only the
source has is refused, since it would be lost without a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from flight_server.parser.statements.changes import Assignment, Merge, MergeClause
from flight_server.parser.text.lexer import Token, TokenKind, lex
from flight_server.sql.change.change_sql import Target
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.names import folded, quoted
from storage.catalog.schema import SYSTEM_COLUMNS
from storage.errors import InvalidRequest

_JOINING: Final = frozenset(("JOIN", ",", "UNION", "CROSS", "NATURAL", "USING"))


def without_stars(context: StatementContext, to: Target, merge: Merge) -> Merge:
    """`merge` with its stars written out. Raises InvalidRequest, and what planning the source raises."""
    if not any(_is_star(clause) for clause in merge.clauses):
        return merge
    source = quoted(source_name(merge.source_sql))
    names = [n for n in context.plan(f"SELECT * FROM {merge.source_sql}").schema.names if n not in SYSTEM_COLUMNS]
    unknown = [name for name in names if to.table.column(name) is None]
    if unknown:
        raise InvalidRequest(
            f"the source of MERGE has columns that table '{to.table.name}' does not: {', '.join(unknown[:10])}",
            sqlstate="42703",
        )
    values = tuple(f"{source}.{quoted(name)}" for name in names)
    written = (_written(clause, tuple(names), values) if _is_star(clause) else clause for clause in merge.clauses)
    return replace(merge, clauses=tuple(written))


def source_name(source_sql: str) -> str:
    """What columns of the source can be qualified with: its alias, or the table's own name. Raises InvalidRequest."""
    tokens = _outside_brackets(lex(source_sql))
    names = [token for token in tokens if token.kind in (TokenKind.WORD, TokenKind.QUOTED) and token.key != "AS"]
    if not names or any(token.key in _JOINING for token in tokens):
        raise InvalidRequest(
            "SET * and INSERT * need a source that is one table or one named subquery, as in USING (..) AS s",
            sqlstate="42601",
        )
    last = names[-1]
    return last.value if last.kind is TokenKind.QUOTED else folded(last.value)


def _outside_brackets(tokens: Sequence[Token]) -> list[Token]:
    depth = 0
    outside: list[Token] = []
    for token in tokens:
        depth -= token.key == ")"
        if depth == 0 and token.key != ")":
            outside.append(token)
        depth += token.key == "("
    return outside


def _is_star(clause: MergeClause) -> bool:
    if clause.action == "update":
        return not clause.assignments
    return clause.action == "insert" and clause.columns is None and not clause.values


def _written(clause: MergeClause, names: tuple[str, ...], values: tuple[str, ...]) -> MergeClause:
    if clause.action == "insert":
        return replace(clause, columns=names, values=values)
    assignments = (Assignment(name, value) for name, value in zip(names, values, strict=True))
    return replace(clause, assignments=tuple(assignments))
