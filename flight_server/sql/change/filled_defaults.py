"""Filled defaults are the values of a column that a statement leaves out: its DEFAULT's, or NULLs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from flight_server.query.results.written_out import array_bytes, type_bytes
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.schema import Column


@dataclass(frozen=True, slots=True)
class DefaultValues:
    """make: so many of them; row_bytes: of each, written out."""

    make: Callable[[int], pa.Array]
    row_bytes: float


def default_values(context: StatementContext, column: Column) -> DefaultValues:
    """What is constant is computed once, here. Raises as the DEFAULT does."""
    if column.default_sql is None:
        return DefaultValues(partial(pa.nulls, type=column.type), type_bytes(column.type))
    generator, user = context.services.defaults, context.session.principal.name
    one = generator.values(column.default_sql, 1, user)
    if one is None:
        one = context.collect(f"SELECT ({column.default_sql}) AS c0", {"c0": column.type}).column(0).combine_chunks()
    elif generator.is_each_its_own(column.default_sql):
        sql = column.default_sql
        return DefaultValues(lambda rows: generator.values(sql, rows, user), array_bytes(one))
    return DefaultValues(lambda rows: one.take(pa.array(np.zeros(rows, dtype=np.int64))), array_bytes(one))


def default_array(context: StatementContext, column: Column, rows: int) -> pa.Array:
    """`rows` default values of a column, for few rows."""
    return default_values(context, column).make(rows)
