"""DESCRIBE of a query: its columns, as they would come, without running it."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from flight_server.parser.text.type_names import sql_type_name

DESCRIBED_SCHEMA: Final = pa.schema(
    [("column_name", pa.string()), ("data_type", pa.string()), ("nullable", pa.string())]
)


def described(schema: pa.Schema) -> pa.Table:
    """A row for each column of a plan's schema; names may repeat."""
    rows = {
        "column_name": schema.names,
        "data_type": [sql_type_name(field.type) for field in schema],
        "nullable": ["YES" if field.nullable else "NO" for field in schema],
    }
    return pa.table(rows, schema=DESCRIBED_SCHEMA)
