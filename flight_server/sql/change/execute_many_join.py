"""Many rows of parameters for one UPDATE or DELETE as a single join with them, instead of one run for each.

`UPDATE t SET n = $1 WHERE id = $2` becomes `UPDATE t SET n = b.p1 FROM b WHERE id = b.p2`, `b` being the bound rows.
That is the same as running row by row when no run can see what those before it did: the condition compares a column
with a parameter, so each run looks at few rows; no subquery reads the table; what is assigned is not in the
condition; and no row is met twice (only the join shows that, so then the caller goes row by row after all).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa

from flight_server.parser.statements.changes import Assignment, DataChange, Delete, Update
from flight_server.parser.text.lexer import Token, TokenKind, lex
from storage.catalog.names import RESERVED_PREFIX, folded, quoted

BOUND: Final = f"{RESERVED_PREFIX}_bound"
_UNSUITED: Final = frozenset(("SELECT", "WITH", "VALUES", "TABLE", "OR", "BETWEEN", "CASE"))


def joined_with_bound(change: DataChange) -> Update | Delete | None:
    """The change as a join with the table BOUND; None when that could mean something else."""
    if not isinstance(change, Update | Delete) or change.where_sql is None or change.returning_sql is not None:
        return None
    condition = lex(change.where_sql)
    if any(token.key in _UNSUITED for token in condition) or not _has_equation(condition):
        return None
    where_sql = _with_columns(change.where_sql)
    if isinstance(change, Delete):
        return None if change.using_sql else replace(change, using_sql=quoted(BOUND), where_sql=where_sql)
    values = [assignment.value_sql or "" for assignment in change.assignments]
    if change.from_sql or _meets(change.assignments, condition) or any("select" in v.lower() for v in values):
        return None
    assignments = tuple(replace(a, value_sql=_with_columns(a.value_sql)) for a in change.assignments)
    return replace(change, assignments=assignments, from_sql=quoted(BOUND), where_sql=where_sql)


def bound_table(batches: Iterable[pa.RecordBatch]) -> pa.Table:
    """The rows of parameters as the table BOUND."""
    whole = pa.Table.from_batches(list(batches))
    return whole.rename_columns([_column(n) for n in range(1, whole.num_columns + 1)])


def _column(number: int) -> str:
    return f"{RESERVED_PREFIX}_p{number}"


def _with_columns(sql: str | None) -> str | None:
    """Placeholders replaced by columns of BOUND."""
    if sql is None:
        return None
    parts: list[str] = []
    end = 0
    for token in lex(sql):
        if token.kind is TokenKind.PARAMETER:
            parts += (sql[end : token.start], f" {quoted(BOUND)}.{quoted(_column(int(token.value[1:])))} ")
            end = token.end
    return "".join((*parts, sql[end:]))


def _meets(assignments: Sequence[Assignment], condition: Sequence[Token]) -> bool:
    names = {token.value if token.kind is TokenKind.QUOTED else folded(token.value) for token in condition}
    return any(assignment.column in names for assignment in assignments)


def _has_equation(condition: Sequence[Token]) -> bool:
    """Whether one of the parts between AND is `column = $n`."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in condition:
        depth += (token.key == "(") - (token.key == ")")
        if token.key == "AND" and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return any(_is_equation(part) for part in parts)


def _is_equation(part: Sequence[Token]) -> bool:
    if len(part) < 3 or part[-2].key != "=" or part[-1].kind is not TokenKind.PARAMETER:
        return False
    return all(token.key == "." or token.kind in (TokenKind.WORD, TokenKind.QUOTED) for token in part[:-2])
