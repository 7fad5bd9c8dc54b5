"""DESCRIBE of a query: its columns, as they would come, without running it."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from flight_server.parser.statements.session import DescribeQuery
from flight_server.parser.text.type_names import sql_type_name
from flight_server.sql.context.statement_context import StatementContext

DESCRIBED_SCHEMA: Final = pa.schema(
    [("column_name", pa.string()), ("data_type", pa.string()), ("nullable", pa.string())]
)


def describe_query(context: StatementContext, statement: DescribeQuery) -> pa.Table:
    """A row for each column of its result; names may repeat."""
    schema = context.plan(statement.sql).schema
    rows = {
        "column_name": schema.names,
        "data_type": [sql_type_name(field.type) for field in schema],
        "nullable": ["YES" if field.nullable else "NO" for field in schema],
    }
    return pa.table(rows, schema=DESCRIBED_SCHEMA)
