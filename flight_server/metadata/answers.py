"""Metadata answers map each metadata command to its table, and to its schema without computing it."""

from __future__ import annotations

import pyarrow as pa

from flight_server.metadata import keys, objects, sql_info, type_info
from flight_server.metadata.objects import Objects
from flight_server.metadata.sql_info import ServerFacts
from flight_server.wire import requests as rq


def answer_schema(command: rq.Metadata) -> pa.Schema:
    """What `answer` will have; known from the command alone."""
    match command:
        case rq.GetCatalogs():
            return objects.CATALOGS_SCHEMA
        case rq.GetDbSchemas():
            return objects.DB_SCHEMAS_SCHEMA
        case rq.GetTables():
            return objects.tables_schema(command)
        case rq.GetTableTypes():
            return objects.TABLE_TYPES_SCHEMA
        case rq.GetPrimaryKeys():
            return keys.PRIMARY_KEYS_SCHEMA
        case rq.GetForeignKeys():
            return keys.FOREIGN_KEYS_SCHEMA
        case rq.GetSqlInfo():
            return sql_info.SQL_INFO_SCHEMA
        case rq.GetXdbcTypeInfo():
            return type_info.XDBC_TYPE_INFO_SCHEMA


def answer(command: rq.Metadata, found: Objects, facts: ServerFacts) -> pa.Table:
    """The rows. A filter that nothing matches gives no rows and no error."""
    match command:
        case rq.GetCatalogs():
            return objects.catalogs()
        case rq.GetDbSchemas():
            return objects.db_schemas(found, command)
        case rq.GetTables():
            return objects.tables(found, command)
        case rq.GetTableTypes():
            return objects.table_types()
        case rq.GetPrimaryKeys():
            return keys.primary_keys(found.catalog, command)
        case rq.GetForeignKeys():
            return keys.foreign_key_rows(found.catalog, command)
        case rq.GetSqlInfo():
            return sql_info.sql_info(facts, command.ids)
        case rq.GetXdbcTypeInfo():
            return type_info.xdbc_type_info(command.data_type)
