"""ON CONFLICT decides about new rows that meet a version with the same primary key.

The index tells which rows meet one. DO NOTHING leaves those out. DO UPDATE replaces the version; when every other
column is simply taken from the new row, no old row has to be read at all.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from flight_server.parser.statements.changes import OnConflict
from flight_server.query.errors.casts import naming_columns
from flight_server.sql.change import change_sql as change_text
from flight_server.sql.change.assignments import assigned_values, new_types
from flight_server.sql.change.change_sql import EXCLUDED, Target
from flight_server.sql.change.change_stage import MEETS_TWICE, StagedChange
from flight_server.sql.change.identity import refuse_assigned
from flight_server.sql.change.row_conversion import keys_of, logical
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.names import folded, quoted
from storage.catalog.schema import TableDef
from storage.errors import InvalidRequest
from storage.state.batch_rows import kept_rows


def conflict_columns(table: TableDef, conflict: OnConflict) -> bool:
    """Whether new rows can meet any: `DO NOTHING` on a table without a key is a plain insert.

    Raises InvalidRequest unless the conflict target is the table's primary key.
    """
    refuse_assigned(table, conflict.assignments)
    if not (table.primary_key or conflict.columns or conflict.assignments):
        return False
    if not table.primary_key:
        raise InvalidRequest(
            f"table '{table.name}' has no primary key, so ON CONFLICT has nothing to go by", sqlstate="42P10"
        )
    if not conflict.columns and conflict.assignments:
        raise InvalidRequest("ON CONFLICT DO UPDATE needs the columns of the primary key in brackets", sqlstate="42601")
    if conflict.columns and set(conflict.columns) != set(table.primary_key):
        key = ", ".join(table.primary_key)
        raise InvalidRequest(f"ON CONFLICT must name the primary key of table '{table.name}' ({key})", sqlstate="42P10")
    return True


def upsert(
    context: StatementContext, to: Target, conflict: OnConflict, rows: pa.RecordBatch, staged: StagedChange
) -> None:
    """Put `rows` (physical, checked) into `staged`, with what they replace."""
    keys = keys_of(to.table, rows)
    found = context.transaction.find_keys(to.table, keys)
    known = np.array([seq is not None for seq in found], dtype=bool)
    fresh = _first_of_each(keys, staged.seen_keys)
    if conflict.assignments and not fresh.all():
        raise InvalidRequest(
            "ON CONFLICT DO UPDATE meets the same primary key twice in its new rows", sqlstate=MEETS_TWICE
        )
    staged.add_rows(kept_rows(rows, ~known & fresh))
    if not conflict.assignments or not known.any():
        return
    hit = kept_rows(rows, known)
    if takes_all_from_new(to.table, conflict):
        seqs = np.array([seq for seq in found if seq is not None], dtype=np.int64)
        staged.add_versions(seqs, [key for key, is_known in zip(keys, known, strict=True) if is_known])
        staged.add_rows(hit)
        return
    _update_hits(context, to, conflict, hit, staged)


def _update_hits(
    context: StatementContext, to: Target, conflict: OnConflict, hit: pa.RecordBatch, staged: StagedChange
) -> None:
    values = assigned_values(to.table, conflict.assignments)
    sql = change_text.conflict_sql(to, to.table.primary_key, values, conflict.where_sql)
    rows = pa.Table.from_batches([logical(to.table, hit)])
    with naming_columns(to.table, [c for c in to.table.columns if c.name in values]):
        for batch in context.stream(sql, new_types(to.table), extra={EXCLUDED: rows}):
            staged.add(batch)


def takes_all_from_new(table: TableDef, conflict: OnConflict) -> bool:
    """`SET b = excluded.b` for every column but the key, without WHERE."""
    if conflict.where_sql is not None:
        return False
    taken = {a.column for a in conflict.assignments if _is_excluded(a.value_sql, a.column)}
    others = {c.name for c in table.columns} - set(table.primary_key)
    return len(taken) == len(conflict.assignments) and others <= taken


def _is_excluded(value_sql: str | None, column: str) -> bool:
    parts = (value_sql or "").strip().split(".")
    if len(parts) != 2 or parts[0].strip().lower() != EXCLUDED:
        return False
    name = parts[1].strip()
    return name == quoted(column) or (name.isidentifier() and folded(name) == column)


def _first_of_each(keys: list[bytes], seen: set[bytes]) -> np.ndarray:
    """bool per key: whether it comes up for the first time in the statement."""
    fresh = np.empty(len(keys), dtype=bool)
    for row, key in enumerate(keys):
        fresh[row] = key not in seen
        seen.add(key)
    return fresh
