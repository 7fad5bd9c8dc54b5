"""Quoting: names and strings as SQL has them."""

from __future__ import annotations

from storage.catalog.names import TableName, quoted


def sql_name(name: TableName) -> str:
    return f"{quoted(name.namespace)}.{quoted(name.table)}"


def literal(text: str) -> str:
    """As a string of SQL."""
    return "'" + text.replace("'", "''") + "'"
