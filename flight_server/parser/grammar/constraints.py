"""Reads constraints in CREATE TABLE and ALTER TABLE: names, keys, and what is told but NOT ENFORCED.

A PRIMARY KEY is enforced. UNIQUE, CHECK and FOREIGN KEY are not, and have to say so: a constraint that is taken for
true and is not kept must not be read without a word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from flight_server.parser.statements.constraints import ConstraintSpec, ForeignTarget
from flight_server.parser.text.cursor import Cursor, not_supported
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.sql_text import SqlText
from storage.catalog.constraints import ConstraintKind, ForeignRule
from storage.catalog.names import checked_constraint
from storage.errors import InvalidRequest, NotSupported

TABLE_CONSTRAINTS: Final = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
_RULES: Final = {
    ("CASCADE",): ForeignRule.CASCADE,
    ("RESTRICT",): ForeignRule.RESTRICT,
    ("SET", "NULL"): ForeignRule.SET_NULL,
    ("SET", "DEFAULT"): ForeignRule.SET_DEFAULT,
    ("NO", "ACTION"): ForeignRule.NO_ACTION,
}
_ATTRIBUTES: Final = ("DEFERRABLE", "INITIALLY", "ENFORCED", "NOT")


@dataclass(frozen=True, slots=True)
class KeySpec:
    """A PRIMARY KEY; `name` "": none was given."""

    columns: tuple[str, ...]
    name: str = ""


def constraint_name(cursor: Cursor) -> str | None:
    """`CONSTRAINT name`, if it is next."""
    return checked_constraint(cursor.name("constraint")) if cursor.accept("CONSTRAINT") else None


def read_table_constraint(cursor: Cursor) -> KeySpec | ConstraintSpec:
    """`[CONSTRAINT name] PRIMARY KEY (..) | UNIQUE (..) | CHECK (..) | FOREIGN KEY (..) REFERENCES ..`"""
    name = constraint_name(cursor)
    if cursor.sees("EXCLUDE"):
        raise not_supported("EXCLUDE", "only a PRIMARY KEY is kept unique")
    kind = cursor.expect_any("PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
    if kind == "PRIMARY":
        cursor.expect("KEY")
        key = KeySpec(cursor.bracketed(lambda: cursor.name("column")), name or "")
        end_of_key(cursor)
        return key
    if kind == "UNIQUE":
        refuse_nulls_not_distinct(cursor)
        spec = ConstraintSpec(ConstraintKind.UNIQUE, columns=_columns(cursor))
    elif kind == "CHECK":
        spec = ConstraintSpec(ConstraintKind.CHECK, check_sql=_condition(cursor))
    else:
        cursor.expect("KEY")
        columns = _columns(cursor)
        cursor.expect("REFERENCES")
        spec = ConstraintSpec(ConstraintKind.FOREIGN_KEY, columns=columns, target=_target(cursor))
    _expect_not_enforced(cursor, spec.kind)
    return replace(spec, name=name)


def read_column_constraint(cursor: Cursor, name: str | None, column: str) -> ConstraintSpec | None:
    """`UNIQUE | CHECK (..) | REFERENCES ..` behind a column, whose name may have been read; None for anything else."""
    kind = cursor.accept_any("UNIQUE", "CHECK", "REFERENCES")
    if kind is None:
        return None
    if kind == "UNIQUE":
        refuse_nulls_not_distinct(cursor)
        spec = ConstraintSpec(ConstraintKind.UNIQUE, columns=(column,))
    elif kind == "CHECK":
        spec = ConstraintSpec(ConstraintKind.CHECK, check_sql=_condition(cursor))
    else:
        spec = ConstraintSpec(ConstraintKind.FOREIGN_KEY, columns=(column,), target=_target(cursor))
    _expect_not_enforced(cursor, spec.kind)
    return replace(spec, name=name)


def end_of_key(cursor: Cursor) -> None:
    """What may stand behind a PRIMARY KEY: that it is enforced at once."""
    while cursor.sees_any(_ATTRIBUTES):
        if cursor.sees("NOT", "ENFORCED"):
            raise not_supported(
                "PRIMARY KEY NOT ENFORCED", "a primary key is always enforced: leave it out, or write UNIQUE instead"
            )
        if not (cursor.accept("ENFORCED") or _accept_immediate(cursor)):
            return


def _columns(cursor: Cursor) -> tuple[str, ...]:
    columns = cursor.bracketed(lambda: cursor.name("column"))
    twice = next((name for at, name in enumerate(columns) if name in columns[:at]), None)
    if twice is not None:
        raise InvalidRequest(f"constraint column '{twice}' is named twice", sqlstate="42701")
    return columns


def refuse_nulls_not_distinct(cursor: Cursor) -> None:
    """Raises NotSupported if it is next: NULLs are distinct, as they are when nothing is said."""
    if cursor.sees("NULLS", "NOT", "DISTINCT"):
        raise not_supported("NULLS NOT DISTINCT", "leave it out")
    cursor.accept("NULLS", "DISTINCT")


def _condition(cursor: Cursor) -> str:
    cursor.expect("(")
    condition = cursor.slice("a condition", lambda: False)
    cursor.expect(")")
    if number_parameters(SqlText(condition)).count:
        raise InvalidRequest("a CHECK can't have parameters", sqlstate="42P02")
    return condition


def _target(cursor: Cursor) -> ForeignTarget:
    target = ForeignTarget(cursor.table(), _columns(cursor) if cursor.sees("(") else ())
    while (word := cursor.accept_any("MATCH", "ON")) is not None:
        if word == "MATCH":
            target = replace(target, is_match_full=_is_match_full(cursor))
        elif cursor.expect_any("UPDATE", "DELETE") == "UPDATE":
            target = replace(target, on_update=_rule(cursor))
        else:
            target = replace(target, on_delete=_rule(cursor))
    return target


def _is_match_full(cursor: Cursor) -> bool:
    if cursor.sees("PARTIAL"):
        raise not_supported("MATCH PARTIAL", "use MATCH FULL or MATCH SIMPLE")
    return cursor.expect_any("FULL", "SIMPLE") == "FULL"


def _rule(cursor: Cursor) -> ForeignRule:
    for words, rule in _RULES.items():
        if cursor.accept(*words):
            if cursor.sees("("):
                raise not_supported(f"{rule} of some columns", "leave out the columns in brackets")
            return rule
    raise cursor.error("expected CASCADE, RESTRICT, SET NULL, SET DEFAULT or NO ACTION")


def _expect_not_enforced(cursor: Cursor, kind: ConstraintKind) -> None:
    is_said = False
    while cursor.sees_any(_ATTRIBUTES):
        if cursor.accept("NOT", "ENFORCED"):
            is_said = True
        elif not _accept_immediate(cursor):
            break
    if not is_said:
        raise NotSupported(
            f"{kind} constraints are not enforced by this server; add NOT ENFORCED, and it is kept as information for "
            "clients"
        )


def _accept_immediate(cursor: Cursor) -> bool:
    """`NOT DEFERRABLE` and `INITIALLY IMMEDIATE`, which hold when nothing is said."""
    if cursor.sees("DEFERRABLE") or cursor.sees("INITIALLY", "DEFERRED"):
        raise not_supported("DEFERRABLE", "leave it out: nothing is put off until COMMIT")
    return cursor.accept("NOT", "DEFERRABLE") or cursor.accept("INITIALLY", "IMMEDIATE")
