"""TableName and its kin: names of namespaces, tables, views and columns are checked once, here, then trusted.

Every text is a name that is neither empty nor too long and holds no control characters; letters are kept as they come
(no case but that of unquoted ones is folded, nothing is normalised). Refused by name are the system columns, and what
begins with RESERVED_PREFIX, which is how names begin that the server makes up within a statement: so none of them can
meet one of a user.

A `TableName` is the proof that its parts are safe in SQL text (when quoted), in keys and, as `folder_templates` writes
them, in paths. Its text has quotes where a part is no plain word, so two names never have one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from storage.errors import InvalidRequest

CATALOG: Final = "frostline"
DEFAULT_NAMESPACE: Final = "public"
TEMPORARY: Final = "pg_temp"  # the namespace of a session's own tables; each session has another one
RESERVED_NAMESPACES: Final = frozenset({TEMPORARY, "system", "information_schema", "pg_catalog", "frostline"})

RESERVED_PREFIX: Final = "_frostline"
SYSTEM_NAMES: Final = frozenset({"_seq", "_updated", "_deleted"})  # as `schema` has them
NAME_CHARACTERS_MAX: Final = 64
COLUMN_CHARACTERS_MAX: Final = 255
_PLAIN: Final = re.compile(r"[^\W\d]\w*", re.ASCII)
_STORAGE: Final = re.compile(r"[^\W\d_]\w{0,63}", re.ASCII)
# Control characters, line and paragraph separators, what turns the direction of text, halves of surrogate pairs.
_FORBIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_RESERVED: Final = f"names that begin with {RESERVED_PREFIX} are the server's own"
_LISTED: Final = re.compile(r"\s*+(?:\"((?:[^\"]|\"\")++)\"|([^,\"\s]++(?:\s++[^,\"\s]++)*+))\s*+(,|\Z)")
_TO_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class TableName(msgspec.Struct, frozen=True, order=True):
    """A table or view, fully named. Build with `table_name`, which checks."""

    namespace: str
    table: str

    def __str__(self) -> str:
        return f"{_part(self.namespace)}.{_part(self.table)}"

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
    """Return `name` if it can be that of a `kind` ("table", "namespace", ..)."""
    return _checked(kind, name, NAME_CHARACTERS_MAX)


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
    """Bulk loads bring long ones: they are in no path."""
    return _checked("column", name, COLUMN_CHARACTERS_MAX)


def checked_storage_name(name: str) -> str:
    """Of a place for cold files: plain, as files and claims name it."""
    if _STORAGE.fullmatch(name) is None:
        raise InvalidRequest(
            f"storage name {_shown(name)} is not allowed: 1-64 characters: letters, digits or _, not starting with a "
            "digit or _",
            sqlstate="42602",
        )
    return name


def checked_constraint(name: str) -> str:
    """Names of constraints are as long as those of columns."""
    return _checked("constraint", name, COLUMN_CHARACTERS_MAX)


def _checked(kind: str, name: str, characters_max: int) -> str:
    if not 0 < len(name) <= characters_max or _FORBIDDEN.search(name) is not None:
        raise InvalidRequest(
            f"{kind} name {_shown(name)} is not allowed: 1-{characters_max} characters, no control characters",
            sqlstate="42602",
        )
    if folded(name) in SYSTEM_NAMES:
        raise InvalidRequest(
            f"{kind} name '{name}' is not allowed: it is that of a system column; choose another", sqlstate="42939"
        )
    if is_reserved(name):
        raise InvalidRequest(f"{kind} name {_shown(name)} is not allowed: {_RESERVED}", sqlstate="42939")
    return name


def is_reserved(name: str) -> bool:
    """Whether it begins as names do that the server makes up."""
    return name[: len(RESERVED_PREFIX)].lower() == RESERVED_PREFIX


def reserved_error(name: str) -> InvalidRequest:
    """For a statement that uses such a name, be it as an alias."""
    return InvalidRequest(f"name {_shown(name)} is not allowed: {_RESERVED}", sqlstate="42939")


def folded(name: str) -> str:
    """An unquoted name as the engine folds it: A to Z alone."""
    return name.translate(_TO_LOWER)


def quoted(name: str) -> str:
    """`name` as a SQL identifier that keeps its case."""
    return '"' + name.replace('"', '""') + '"'


def quoted_if_needed(name: str) -> str:
    """`name` as SQL reads it: in quotes unless it is a plain word in lower case."""
    return name if _PLAIN.fullmatch(name) and folded(name) == name else quoted(name)


def _part(name: str) -> str:
    """In keys on disk plain words have no quotes, whatever their case."""
    return name if _PLAIN.fullmatch(name) else quoted(name)


def quoted_names(text: str) -> tuple[str, ...] | None:
    """Names in a list, `a, "b, c"`, unquoted ones as they are; None when it is none. Inverse of `list_of_names`."""
    names: list[str] = []
    at = 0
    while (found := _LISTED.match(text, at)) is not None:
        at = found.end()
        names.append(found[1].replace('""', '"') if found[1] is not None else found[2])
        if not found[3]:
            return tuple(names)
    return None


def list_of_names(names: Iterable[str]) -> str:
    """`a, "b, c"`"""
    return ", ".join(map(quoted_if_needed, names))


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "..")
