"""Function listing asks the engine for the functions that it has."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from datafusion import SessionConfig, SessionContext, SQLOptions

_READ_ONLY: Final = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
_LISTED: Final = (
    "SELECT routine_name, function_type, min(description) AS description FROM information_schema.routines "
    "GROUP BY 1, 2 ORDER BY 1, 2"
)


class Function(NamedTuple):
    """kind: SCALAR, AGGREGATE, WINDOW or TABLE; a name may be of several kinds."""

    name: str
    kind: str
    description: str


@cache
def functions() -> tuple[Function, ...]:
    """In order of names and kinds; asked once."""
    context = SessionContext(SessionConfig().with_information_schema(True))
    rows = context.sql_with_options(_LISTED, _READ_ONLY).to_pydict()
    columns = (rows["routine_name"], rows["function_type"], rows["description"])
    return tuple(Function(*row) for row in zip(*columns, strict=True))


@cache
def names_of(kind: str) -> frozenset[str]:
    """Names of one kind."""
    return frozenset(function.name for function in functions() if function.kind == kind)


@cache
def only_scalar() -> frozenset[str]:
    """Names of functions that see one row at a time, and nothing else."""
    return names_of("SCALAR") - names_of("AGGREGATE") - names_of("WINDOW") - names_of("TABLE")
