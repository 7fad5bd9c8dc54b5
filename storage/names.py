"""Names of namespaces, tables, views and columns: checked once, here, then trusted.

A `TableName` is the proof that its parts are safe in SQL text (when quoted), in keys and in paths.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from storage.errors import InvalidRequest

CATALOG: Final = "frostline"
DEFAULT_NAMESPACE: Final = "public"
TEMPORARY: Final = "pg_temp"  # the namespace of a session's own tables; each session has another one
RESERVED_NAMESPACES: Final = frozenset({TEMPORARY, "system", "information_schema", "pg_catalog", "frostline"})

NAME_RULE: Final = "1-64 characters: letters, digits or _, not starting with a digit or _"
_NAME = re.compile(r"[^\W\d_]\w{0,63}", re.ASCII)
# A bulk ingest brings column names of its own ("0", "Unnamed: 0", "délai"): kept, within these bounds.
_COLUMN = re.compile(r"[^\x00-\x1f\x7f\"]{1,255}")


class TableName(msgspec.Struct, frozen=True, order=True):
    """A table or view, fully named. Build with `table_name`, which checks."""

    namespace: str
    table: str

    def __str__(self) -> str:
        return f"{self.namespace}.{self.table}"

    @property
    def is_temporary(self) -> bool:
        """Of a table that is one session's own."""
        return self.namespace == TEMPORARY

    @property
    def is_reserved(self) -> bool:
        """Of a system table."""
        return self.namespace in RESERVED_NAMESPACES and not self.is_temporary


def table_name(namespace: str, table: str) -> TableName:
    """Check both parts. Raises InvalidRequest quoting the rule."""
    return TableName(checked_name("namespace", namespace), checked_name("table", table))


def checked_name(kind: str, name: str) -> str:
    """Return `name` if it keeps the rule for `kind` ("table", "namespace", ..)."""
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(f"{kind} name {_shown(name)} is not allowed: {NAME_RULE}", sqlstate="42602")
    return name


def checked_new_namespace(name: str) -> str:
    """As `checked_name`, and not one of the reserved ones."""
    checked_name("namespace", name)
    if name in RESERVED_NAMESPACES:
        raise InvalidRequest(
            f"namespace name '{name}' is reserved (reserved: {', '.join(sorted(RESERVED_NAMESPACES))}); choose another",
            sqlstate="42939",
        )
    return name


def checked_column(name: str) -> str:
    """Column names may hold any printable text but quotes; a leading _ belongs to the system."""
    if _COLUMN.fullmatch(name) is None:
        raise InvalidRequest(
            f"column name {_shown(name)} is not allowed: 1-255 printable characters without quotes", sqlstate="42602"
        )
    if name.startswith("_"):
        raise InvalidRequest(
            f"column name '{name}' is not allowed: names that start with _ are reserved for system columns",
            sqlstate="42939",
        )
    return name


def checked_constraint(name: str) -> str:
    """Names of constraints may hold any printable text but quotes."""
    if _COLUMN.fullmatch(name) is None:
        raise InvalidRequest(
            f"constraint name {_shown(name)} is not allowed: 1-255 printable characters without quotes",
            sqlstate="42602",
        )
    return name


def quoted(name: str) -> str:
    """`name` as a SQL identifier that keeps its case."""
    return '"' + name.replace('"', '""') + '"'


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "..")
