"""Constraint definitions: names, columns, references, checked once; and as ALTER changes them.

A foreign key is checked here against what the statement sees, and once more by the catalog at COMMIT.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
import pyarrow as pa

from flight_server.parser.statements.constraints import ConstraintSpec, DropConstraint, ForeignTarget, RenameConstraint
from flight_server.parser.text.lexer import lex
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.check_text import columns_named, with_renamed
from storage.catalog.constraints import Constraint, ConstraintKind, Reference, renamed_columns
from storage.catalog.names import RESERVED_PREFIX
from storage.catalog.schema import TableDef, TableKind
from storage.errors import AlreadyExists, FrostlineError, InvalidRequest, NotFound, NotSupported

_CHECKED: Final = f"{RESERVED_PREFIX}_checked"
_NAME_CHARACTERS_MAX: Final = 200  # of one that is made up
_SUFFIXES: Final = {ConstraintKind.UNIQUE: "key", ConstraintKind.CHECK: "check", ConstraintKind.FOREIGN_KEY: "fkey"}


def with_constraints(context: StatementContext, table: TableDef, specs: Iterable[ConstraintSpec]) -> TableDef:
    """`table` with these constraints too. Raises InvalidRequest, AlreadyExists, NotFound, NotSupported."""
    for spec in specs:
        if table.kind is TableKind.STREAM:
            raise NotSupported(
                f"{spec.kind} constraints are not supported for stream tables; create '{table.name}' without it"
            )
        table = msgspec.structs.replace(table, constraints=(*table.constraints, _constraint(context, table, spec)))
    return table


def _constraint(context: StatementContext, table: TableDef, spec: ConstraintSpec) -> Constraint:
    columns = spec.columns
    if spec.kind is ConstraintKind.CHECK:
        _check_condition(context, table, spec.check_sql)
        columns = columns_named(spec.check_sql, [c.name for c in table.columns])
    missing = next((name for name in columns if table.column(name) is None), None)
    if missing is not None:
        raise InvalidRequest(
            f"{spec.kind} names column '{missing}', which table '{table.name}' does not have", sqlstate="42703"
        )
    return Constraint(
        name=_free_name(table, spec, columns),
        kind=spec.kind,
        columns=columns,
        check_sql=spec.check_sql,
        reference=None if spec.target is None else _reference(context, table, spec.target),
    )


def _free_name(table: TableDef, spec: ConstraintSpec, columns: tuple[str, ...]) -> str:
    """The name given, or one as PostgreSQL makes it. Raises AlreadyExists."""
    if spec.name is not None:
        _check_free(table, spec.name)
        return spec.name
    stem = "_".join((table.name.table, *columns))[:_NAME_CHARACTERS_MAX]
    chosen = name = f"{stem}_{_SUFFIXES[spec.kind]}"
    number = 0
    while chosen in _taken(table):
        number += 1
        chosen = f"{name}{number}"
    return chosen


def _taken(table: TableDef) -> set[str]:
    return {c.name for c in table.constraints} | ({table.primary_key_name} if table.primary_key else set())


def _check_free(table: TableDef, name: str) -> None:
    if name in _taken(table):
        raise AlreadyExists(f"constraint '{name}' of table '{table.name}' already exists", sqlstate="42710")


def _reference(context: StatementContext, table: TableDef, target: ForeignTarget) -> Reference:
    name = context.new_name(target.table)
    if table.name.is_temporary or name.is_temporary:
        raise NotSupported(
            f"FOREIGN KEY from table '{table.name}' to '{name}' is not supported, since one of them is temporary; "
            "leave it out"
        )
    columns = target.columns
    if not columns:
        referred = table if name == table.name else context.transaction.catalog.table(name)
        columns = referred.primary_key
        if not columns:
            raise InvalidRequest(
                f"table '{name}' has no primary key to refer to; name the columns of a UNIQUE constraint in brackets",
                sqlstate="42830",
            )
    return Reference(
        table=name,
        columns=columns,
        is_match_full=target.is_match_full,
        on_update=target.on_update,
        on_delete=target.on_delete,
    )


def _check_condition(context: StatementContext, table: TableDef, sql: str) -> None:
    """Raises InvalidRequest, NotSupported unless it is a condition over columns of the table."""
    try:
        _plan_condition(context, table, sql)
    except FrostlineError as error:
        raise type(error)(error.message.replace(f'"{_CHECKED}".', ""), sqlstate=error.sqlstate) from None


def _plan_condition(context: StatementContext, table: TableDef, sql: str) -> None:
    tokens = lex(sql)
    if any(token.key in ("SELECT", "WITH") for token in tokens):
        raise NotSupported(f"a query in a CHECK of table '{table.name}' is not supported; name columns of the table")
    if any(token.key == "OVER" for token in tokens):
        raise InvalidRequest(f"a CHECK of table '{table.name}' can't have window functions", sqlstate="42P20")
    rows = {_CHECKED: table.arrow_schema.empty_table()}
    found = context.plan(f'SELECT ({sql}) AS c0 FROM "{_CHECKED}"', extra=rows).schema.field(0).type
    if not (pa.types.is_boolean(found) or pa.types.is_null(found)):
        raise InvalidRequest(f"a CHECK of table '{table.name}' is {found}, not BOOLEAN", sqlstate="42804")
    context.plan(f'SELECT 1 AS c0 FROM "{_CHECKED}" WHERE ({sql})', extra=rows)  # refuses aggregates


def check_conditions(context: StatementContext, table: TableDef) -> None:
    """Raises InvalidRequest (2BP01) when a CHECK no longer fits the altered table."""
    for constraint in table.constraints:
        if constraint.kind is not ConstraintKind.CHECK:
            continue
        try:
            _check_condition(context, table, constraint.check_sql)
        except FrostlineError as error:
            raise InvalidRequest(
                f"constraint '{constraint.name}' of table '{table.name}' would no longer make sense: {error.message}",
                sqlstate="2BP01",
            ) from None


def without_constraint(table: TableDef, action: DropConstraint) -> TableDef:
    """Raises NotFound, NotSupported (the primary key)."""
    if table.primary_key and action.name == table.primary_key_name:
        raise NotSupported(
            f"DROP CONSTRAINT of primary key '{action.name}' is not supported; the primary key is given when the "
            "table is created"
        )
    kept = tuple(c for c in table.constraints if c.name != action.name)
    if len(kept) == len(table.constraints) and not action.if_exists:
        raise NotFound(f"constraint '{action.name}' of table '{table.name}' does not exist", sqlstate="42704")
    return msgspec.structs.replace(table, constraints=kept)


def with_renamed_constraint(table: TableDef, action: RenameConstraint) -> TableDef:
    """Raises NotFound, AlreadyExists."""
    if action.name not in _taken(table):
        raise NotFound(f"constraint '{action.name}' of table '{table.name}' does not exist", sqlstate="42704")
    _check_free(table, action.new_name)
    if table.primary_key and action.name == table.primary_key_name:
        return msgspec.structs.replace(table, key_name=action.new_name)
    constraints = tuple(
        msgspec.structs.replace(c, name=action.new_name) if c.name == action.name else c for c in table.constraints
    )
    return msgspec.structs.replace(table, constraints=constraints)


def without_constraints_on(table: TableDef, column: str) -> tuple[Constraint, ...]:
    """What is left of the constraints when the column goes."""
    return tuple(c for c in table.constraints if column not in c.columns)


def constraints_with_renamed(table: TableDef, old: str, new: str) -> tuple[Constraint, ...]:
    """The constraints when the column has another name; foreign keys to it are the catalog's."""
    return tuple(_with_renamed(c, old, new) for c in table.constraints)


def _with_renamed(constraint: Constraint, old: str, new: str) -> Constraint:
    renamed = renamed_columns(constraint, {old: new})
    if old not in constraint.columns or constraint.kind is not ConstraintKind.CHECK:
        return renamed
    return msgspec.structs.replace(renamed, check_sql=with_renamed(constraint.check_sql, old, new))
