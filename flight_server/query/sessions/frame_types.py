"""Frame types: the schema that the rows of a frame come in, and its columns in other types."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pyarrow as pa
from datafusion import DataFrame, Expr, SessionContext

from flight_server.query.errors.mapping import raise_mapped
from storage.catalog.names import quoted


def schema_of(analyzer: SessionContext, frame: DataFrame, plan_text: str) -> pa.Schema:
    """As the rows will come. DataFusion settles on a union's types only when it analyzes the plan."""
    try:
        if "Union" in plan_text:
            with suppress(Exception):  # it can't analyze names with quotes once more
                analyzed = analyzer.create_dataframe_from_logical_plan(frame.logical_plan()).optimized_logical_plan()
                return analyzer.create_dataframe_from_logical_plan(analyzed).schema()
        return frame.schema()
    except Exception as error:
        raise_mapped(error)


def cast_columns(analyzer: SessionContext, frame: DataFrame, casts: Mapping[str, pa.DataType]) -> DataFrame:
    """The frame with some of its columns in other types. Raises InvalidRequest (no such cast)."""
    if not casts:
        return frame
    found = schema_of(analyzer, frame, frame.logical_plan().display_indent())
    wrong = {name: kind for name, kind in casts.items() if name in found.names and found.field(name).type != kind}
    if not wrong:
        return frame
    try:
        return frame.select(*(_as_type(name, wrong.get(name)) for name in found.names))
    except Exception as error:
        raise_mapped(error)


def _as_type(name: str, kind: pa.DataType | None) -> Expr:
    """A column by its exact name: `DataFrame.cast` reads NULL and "a.b" as other ones."""
    column = Expr.column(quoted(name))
    return column if kind is None else column.cast(kind).alias(name)
