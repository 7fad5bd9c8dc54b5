"""Commands and tickets are decoded strictly: what is not exactly a message of the protocol is refused.

Promise: `decode_*` raises InvalidRequest or NotSupported, whatever the bytes; nothing of protobuf leaves this room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire import requests as rq
from flight_server.wire.messages import optional, parse, unknown, unpack_any
from storage.errors import InvalidRequest

ACKNOWLEDGE: Final = "acknowledge"  # an option of bulk ingest
_E = TypeVar("_E", rq.IfMissing, rq.IfExists)


def decode_descriptor(data: bytes) -> rq.Command:
    """The command of a FlightDescriptor. Raises InvalidRequest, NotSupported."""
    name, value = unpack_any(data)
    decode = _COMMANDS.get(name)
    if decode is None:
        raise unknown("command", name)
    return decode(value)


def decode_ticket(data: bytes) -> rq.StatementTicket | rq.Metadata:
    """What a ticket stands for: planned rows, or a metadata command. Raises InvalidRequest, NotSupported."""
    name, value = unpack_any(data)
    if name == "TicketStatementQuery":
        return rq.StatementTicket(parse(pb.TicketStatementQuery, value).statement_handle)
    decode = _METADATA.get(name)
    if decode is None:
        raise unknown("ticket", name)
    return decode(value)


def _statement_query(data: bytes) -> rq.StatementQuery:
    message = parse(pb.CommandStatementQuery, data)
    return rq.StatementQuery(message.query, optional(message, "transaction_id"))


def _statement_update(data: bytes) -> rq.StatementUpdate:
    message = parse(pb.CommandStatementUpdate, data)
    return rq.StatementUpdate(message.query, optional(message, "transaction_id"))


def _prepared_query(data: bytes) -> rq.PreparedQuery:
    return rq.PreparedQuery(parse(pb.CommandPreparedStatementQuery, data).prepared_statement_handle)


def _prepared_update(data: bytes) -> rq.PreparedUpdate:
    return rq.PreparedUpdate(parse(pb.CommandPreparedStatementUpdate, data).prepared_statement_handle)


def _ingest(data: bytes) -> rq.IngestCommand:
    message = parse(pb.CommandStatementIngest, data)
    wanted, options = message.table_definition_options, dict(message.options)
    each_batch = _is_for_each_batch(options.pop(ACKNOWLEDGE, "all"))
    return rq.IngestCommand(
        table=message.table,
        namespace=optional(message, "schema"),
        catalog=optional(message, "catalog"),
        temporary=message.temporary,
        if_missing=_mode(rq.IfMissing, "if_not_exist", wanted.if_not_exist),
        if_exists=_mode(rq.IfExists, "if_exists", wanted.if_exists),
        transaction_id=optional(message, "transaction_id"),
        options=options,
        each_batch=each_batch,
    )


def _is_for_each_batch(acknowledge: str) -> bool:
    if acknowledge not in ("all", "batch"):
        raise InvalidRequest(f"the ingest has {ACKNOWLEDGE} = '{acknowledge[:80]}'; use 'all' or 'batch'")
    return acknowledge == "batch"


def _mode(kind: type[_E], field: str, number: int) -> _E:
    try:
        return kind(number)
    except ValueError:
        allowed = ", ".join(f"{mode.value} ({mode.name})" for mode in kind)
        raise InvalidRequest(f"the ingest has {field} = {number}; use one of {allowed}") from None


def _get_catalogs(data: bytes) -> rq.GetCatalogs:
    parse(pb.CommandGetCatalogs, data)
    return rq.GetCatalogs()


def _get_db_schemas(data: bytes) -> rq.GetDbSchemas:
    message = parse(pb.CommandGetDbSchemas, data)
    return rq.GetDbSchemas(optional(message, "catalog"), optional(message, "db_schema_filter_pattern"))


def _get_tables(data: bytes) -> rq.GetTables:
    message = parse(pb.CommandGetTables, data)
    return rq.GetTables(
        catalog=optional(message, "catalog"),
        namespace_pattern=optional(message, "db_schema_filter_pattern"),
        table_pattern=optional(message, "table_name_filter_pattern"),
        table_types=tuple(message.table_types),
        include_schema=message.include_schema,
    )


def _get_table_types(data: bytes) -> rq.GetTableTypes:
    parse(pb.CommandGetTableTypes, data)
    return rq.GetTableTypes()


def _get_primary_keys(data: bytes) -> rq.GetPrimaryKeys:
    message = parse(pb.CommandGetPrimaryKeys, data)
    return rq.GetPrimaryKeys(optional(message, "catalog"), optional(message, "db_schema"), message.table)


def _get_exported_keys(data: bytes) -> rq.GetForeignKeys:
    message = parse(pb.CommandGetExportedKeys, data)
    return rq.GetForeignKeys(referred=_keyed(message, ""))


def _get_imported_keys(data: bytes) -> rq.GetForeignKeys:
    message = parse(pb.CommandGetImportedKeys, data)
    return rq.GetForeignKeys(referring=_keyed(message, ""))


def _get_cross_reference(data: bytes) -> rq.GetForeignKeys:
    message = parse(pb.CommandGetCrossReference, data)
    return rq.GetForeignKeys(_keyed(message, "pk_"), _keyed(message, "fk_"))


def _keyed(message: Any, side: str) -> rq.GetPrimaryKeys:
    catalog, namespace = optional(message, f"{side}catalog"), optional(message, f"{side}db_schema")
    return rq.GetPrimaryKeys(catalog, namespace, getattr(message, f"{side}table"))


def _get_sql_info(data: bytes) -> rq.GetSqlInfo:
    return rq.GetSqlInfo(tuple(parse(pb.CommandGetSqlInfo, data).info))


def _get_xdbc_type_info(data: bytes) -> rq.GetXdbcTypeInfo:
    return rq.GetXdbcTypeInfo(optional(parse(pb.CommandGetXdbcTypeInfo, data), "data_type"))


_METADATA: Final[Mapping[str, Callable[[bytes], rq.Metadata]]] = {
    "CommandGetCatalogs": _get_catalogs,
    "CommandGetDbSchemas": _get_db_schemas,
    "CommandGetTables": _get_tables,
    "CommandGetTableTypes": _get_table_types,
    "CommandGetPrimaryKeys": _get_primary_keys,
    "CommandGetExportedKeys": _get_exported_keys,
    "CommandGetImportedKeys": _get_imported_keys,
    "CommandGetCrossReference": _get_cross_reference,
    "CommandGetSqlInfo": _get_sql_info,
    "CommandGetXdbcTypeInfo": _get_xdbc_type_info,
}
_COMMANDS: Final[Mapping[str, Callable[[bytes], rq.Command]]] = {
    **_METADATA,
    "CommandStatementQuery": _statement_query,
    "CommandStatementUpdate": _statement_update,
    "CommandPreparedStatementQuery": _prepared_query,
    "CommandPreparedStatementUpdate": _prepared_update,
    "CommandStatementIngest": _ingest,
}
