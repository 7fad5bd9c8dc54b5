"""ALTER TABLE: each action is a function from one definition of the table to the next.

Stored rows are never rewritten: columns keep their physical names, so old files and hot batches are read as the
newest schema says. A type may only widen, so that every stored value fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import pyarrow as pa

from flight_server.parser.statements.constraints import (
    AddConstraint,
    ChangeIdentity,
    DropConstraint,
    DropRule,
    RenameConstraint,
)
from flight_server.parser.statements.definitions import (
    AddColumn,
    AlterTable,
    ChangeColumnDefault,
    ChangeColumnNullable,
    ChangeColumnType,
    ColumnSpec,
    DropColumn,
    RenameColumn,
    RenameTable,
    SetOptions,
    TableAction,
)
from flight_server.parser.text.declared_types import holds_all_of
from flight_server.sql.change.change_stage import Changed
from flight_server.sql.change.identity import changed_identity, refuse_identity
from flight_server.sql.context.statement_context import StatementContext
from flight_server.sql.define.columns import check_default, new_column, writable_name
from flight_server.sql.define.constraints import (
    check_conditions,
    constraints_with_renamed,
    with_constraints,
    with_renamed_constraint,
    without_constraint,
    without_constraints_on,
)
from flight_server.sql.define.dependents import dependent_views, refuse_dependents, without_views, working
from flight_server.sql.define.views import rename_view
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName, checked_column, quoted
from storage.catalog.schema import PORTABLE, Column, TableDef, TableKind, read_fill, write_fill
from storage.catalog.table_options import with_options
from storage.errors import Conflict, ConstraintViolated, InvalidRequest, NotSupported
from storage.state.stream_retention import check_stream

_EACH_ROW_ITS_OWN: Final = ("uuid_v7", "snowflake_id", "uuid(", "gen_random_uuid", "random(")


def alter_table(context: StatementContext, statement: AlterTable) -> Changed:
    """Apply the actions in order, all or none. Raises InvalidRequest, NotFound, NotSupported, ConstraintViolated."""
    name = writable_name(context.name(statement.table))
    if name in context.transaction.catalog.views and len(statement.actions) == 1:
        [action] = statement.actions
        if isinstance(action, RenameTable):
            rename_view(context, name, action.new_name)
            return Changed(0)
    if statement.if_exists and name not in context.transaction.catalog.tables:
        return Changed(0)
    rules = {action.rule for action in statement.actions if isinstance(action, DropColumn)} - {None}
    cascade = any(isinstance(action, DropConstraint) and action.cascade for action in statement.actions)
    cascade = cascade or DropRule.CASCADE in rules
    views = working(context, dependent_views(context, name)) if rules else ()
    seen = context.transaction.catalog.table(name)
    table = seen
    for action in statement.actions:
        table = _altered(context, table, action)
    if table.constraints:
        check_conditions(context, table)
    table = msgspec.structs.replace(table, version=seen.version + 1)

    def alter(catalog: Catalog) -> Catalog:
        now = catalog.table(name)
        if (now.table_id, now.version) != (seen.table_id, seen.version):
            raise Conflict(f"table '{name}' was altered by another statement first; try again")
        return catalog.with_altered_table(seen, table, cascade=cascade)

    context.transaction.change_catalog(alter)
    broken = sorted(set(views) - set(working(context, views)))
    if broken and DropRule.RESTRICT in rules:
        refuse_dependents(context.transaction.catalog, table.name, broken)
    if broken:
        context.transaction.change_catalog(lambda catalog: without_views(catalog, broken))
    return Changed(0)


def _altered(context: StatementContext, table: TableDef, action: TableAction) -> TableDef:
    if table.kind is TableKind.STREAM and not isinstance(action, RenameTable | SetOptions):
        raise NotSupported(
            f"ALTER of columns is not supported for stream tables; create '{table.name}' anew, or put other events "
            "into another stream"
        )
    match action:
        case AddColumn():
            return _add_column(context, table, action)
        case DropColumn():
            return _drop_column(table, action)
        case RenameColumn():
            return _rename_column(table, action)
        case ChangeColumnType():
            return _change_type(table, action)
        case ChangeColumnDefault():
            return _change_default(context, table, action)
        case ChangeColumnNullable():
            return _change_nullable(context, table, action)
        case ChangeIdentity():
            return _with_column(table, changed_identity(table, _column(table, action.name), action))
        case AddConstraint(constraint):
            return with_constraints(context, table, (constraint,))
        case DropConstraint():
            return without_constraint(table, action)
        case RenameConstraint():
            return with_renamed_constraint(table, action)
        case RenameTable(new_name):
            renamed = writable_name(TableName(table.name.namespace, new_name))
            return msgspec.structs.replace(table, name=renamed, folder_rule=PORTABLE)
        case SetOptions(options):
            return _with_options(table, options)


def _with_options(table: TableDef, given: Mapping[str, str]) -> TableDef:
    names = tuple(c.name for c in table.columns)
    changed = msgspec.structs.replace(table, options=with_options(table.options, given, names, table.kind))
    if changed.kind is TableKind.STREAM:
        check_stream(changed)
    return changed


def _add_column(context: StatementContext, table: TableDef, action: AddColumn) -> TableDef:
    spec = action.column
    if table.column(spec.name) is not None:
        if action.if_not_exists:
            return table
        raise InvalidRequest(f"table '{table.name}' already has a column '{spec.name}'", sqlstate="42701")
    if spec.default_sql and any(name in spec.default_sql.lower() for name in _EACH_ROW_ITS_OWN):
        raise NotSupported(
            f"column '{spec.name}' can't be added with {_default_words(spec)}, which gives each row its own value; "
            "add it without, set the DEFAULT, then UPDATE the rows that are there"
        )
    taken = {c.physical_name for c in table.columns} | set(table.retired_names)
    column = new_column(spec, [c.name for c in table.columns], taken)
    default = check_default(context, table, column)
    if default is not None:
        column = msgspec.structs.replace(column, fill=write_fill(default))
    if not column.nullable and (default is None or default.null_count) and _has_rows(context, table):
        raise ConstraintViolated(
            f"column '{column.name}' can't be NOT NULL without a DEFAULT: table '{table.name}' has rows",
            sqlstate="23502",
        )
    return with_constraints(
        context, msgspec.structs.replace(table, columns=(*table.columns, column)), action.constraints
    )


def _default_words(spec: ColumnSpec) -> str:
    return f"GENERATED {spec.identity} AS IDENTITY" if spec.identity else f"DEFAULT {spec.default_sql}"


def _drop_column(table: TableDef, action: DropColumn) -> TableDef:
    if action.if_exists and table.column(action.name) is None:
        return table
    column = _column(table, action.name)
    if column.name in table.primary_key:
        raise InvalidRequest(
            f"column '{column.name}' is part of the primary key and can't be dropped", sqlstate="2BP01"
        )
    if len(table.columns) == 1:
        raise InvalidRequest(
            f"column '{column.name}' is the only one of table '{table.name}'; drop the table", sqlstate="42P16"
        )
    if column.name in table.options.sort_by:
        raise InvalidRequest(f"column '{column.name}' is in sort_by; change that option first", sqlstate="2BP01")
    return msgspec.structs.replace(
        table,
        columns=tuple(c for c in table.columns if c is not column),
        constraints=without_constraints_on(table, column.name),
        retired_names=(*table.retired_names, column.physical_name),
    )


def _rename_column(table: TableDef, action: RenameColumn) -> TableDef:
    column = _column(table, action.name)
    if table.column(checked_column(action.new_name)) is not None:
        raise InvalidRequest(f"table '{table.name}' already has a column '{action.new_name}'", sqlstate="42701")
    renamed = msgspec.structs.replace(column, name=action.new_name)

    def new(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(action.new_name if name == action.name else name for name in names)

    return msgspec.structs.replace(
        table,
        columns=tuple(renamed if c is column else c for c in table.columns),
        primary_key=new(table.primary_key),
        constraints=constraints_with_renamed(table, action.name, action.new_name),
        options=msgspec.structs.replace(table.options, sort_by=new(table.options.sort_by)),
    )


def _change_default(context: StatementContext, table: TableDef, action: ChangeColumnDefault) -> TableDef:
    column = _column(table, action.name)
    refuse_identity(table, column, "ALTER COLUMN .. DROP IDENTITY, then set its DEFAULT")
    changed = msgspec.structs.replace(column, default_sql=action.default_sql)
    check_default(context, table, changed)
    return _with_column(table, changed)


def _change_type(table: TableDef, action: ChangeColumnType) -> TableDef:
    column = _column(table, action.name)
    if action.type != column.type:
        refuse_identity(table, column, "ALTER COLUMN .. DROP IDENTITY first")
    is_key = column.name in table.primary_key
    widens = is_widening(column.type, action.type) and holds_all_of(action.sql_type, column.sql_type)
    if not widens or (is_key and not _keeps_key_bytes(column.type, action.type)):
        raise InvalidRequest(
            f"column '{column.name}' can't change from {column.sql_type} to {action.sql_type}: only to a type that "
            "holds every value it could have held",
            sqlstate="42804",
        )
    fill = None if column.fill is None else write_fill(read_fill(column.fill).cast(action.type))
    metadata = column.metadata if action.type == column.type else ()  # it may name what the old type stood for
    changed = msgspec.structs.replace(column, type=action.type, sql_type=action.sql_type, fill=fill, metadata=metadata)
    return _with_column(table, changed)


def is_widening(old: pa.DataType, new: pa.DataType) -> bool:
    """Whether every value of `old` is exactly a value of `new`."""
    if old == new:
        return True
    if pa.types.is_integer(old) and pa.types.is_integer(new):
        return _integer_widens(old, new)
    if pa.types.is_integer(old) and pa.types.is_floating(new):
        return bool(old.bit_width < {16: 11, 32: 24, 64: 53}[new.bit_width])
    if pa.types.is_integer(old) and pa.types.is_decimal(new):
        return bool(new.precision - new.scale >= len(str(2**old.bit_width)))
    if pa.types.is_floating(old) and pa.types.is_floating(new):
        return bool(new.bit_width > old.bit_width)
    if pa.types.is_decimal(old) and pa.types.is_decimal(new):
        return bool(new.scale >= old.scale and new.precision - new.scale >= old.precision - old.scale)
    if pa.types.is_timestamp(old) and pa.types.is_timestamp(new):
        return bool(old.tz == new.tz and _UNITS.index(new.unit) > _UNITS.index(old.unit) and new.unit != "ns")
    return (old, new) in _SAME_TEXT or (pa.types.is_date32(old) and pa.types.is_timestamp(new) and new.tz is None)


_UNITS: Final = ("s", "ms", "us", "ns")
_SAME_TEXT: Final = ((pa.string(), pa.large_string()), (pa.binary(), pa.large_binary()))


def _integer_widens(old: pa.DataType, new: pa.DataType) -> bool:
    old_signed, new_signed = pa.types.is_signed_integer(old), pa.types.is_signed_integer(new)
    if old_signed and not new_signed:
        return False
    return bool(new.bit_width > old.bit_width)


def _keeps_key_bytes(old: pa.DataType, new: pa.DataType) -> bool:
    """Index entries of old rows must stay findable: integers up to int64 share one encoding."""
    return old == new or (pa.types.is_integer(old) and pa.types.is_integer(new) and not pa.types.is_uint64(new))


def _change_nullable(context: StatementContext, table: TableDef, action: ChangeColumnNullable) -> TableDef:
    column = _column(table, action.name)
    if action.nullable:
        refuse_identity(table, column, "ALTER COLUMN .. DROP IDENTITY first")
    if action.nullable and column.name in table.primary_key:
        raise InvalidRequest(f"column '{column.name}' is part of the primary key and stays NOT NULL", sqlstate="42P16")
    if not action.nullable and any(_holds_nulls(each, table, action.name) for each in context.for_each_owner(table)):
        raise ConstraintViolated(f"column '{action.name}' of table '{table.name}' holds NULLs", sqlstate="23502")
    return _with_column(table, msgspec.structs.replace(column, nullable=action.nullable))


def _holds_nulls(context: StatementContext, table: TableDef, column: str) -> bool:
    sql = f"SELECT count(*) FROM {_sql_name(table.name)} WHERE {quoted(column)} IS NULL"
    return _has_rows(context, table) and bool(context.collect(sql).column(0)[0].as_py())


def _has_rows(context: StatementContext, table: TableDef) -> bool:
    state = context.transaction.state
    return any(state.partition(each.own(table).partition_id).rows > 0 for each in context.for_each_owner(table))


def _column(table: TableDef, name: str) -> Column:
    column = table.column(name)
    if column is None:
        raise InvalidRequest(f"table '{table.name}' has no column '{name}'", sqlstate="42703")
    return column


def _with_column(table: TableDef, column: Column) -> TableDef:
    columns = tuple(column if c.physical_name == column.physical_name else c for c in table.columns)
    return msgspec.structs.replace(table, columns=columns)


def _sql_name(name: TableName) -> str:
    return f"{quoted(name.namespace)}.{quoted(name.table)}"
