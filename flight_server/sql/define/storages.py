"""CREATE, ALTER, DROP and CHECK STORAGE."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import msgspec
import pyarrow as pa

from flight_server.parser.statements.storages import (
    AlterStorage,
    CheckStorage,
    CreateStorage,
    DropStorage,
    StorageStatement,
)
from flight_server.parser.statements.users import Secret
from flight_server.sql.context.statement_context import StatementContext
from storage.catalog.catalog import Catalog
from storage.catalog.credentials import read_credentials
from storage.catalog.storages import LOCAL, StorageDef, StorageType, is_within
from storage.cold.ownership_marker import new_claim
from storage.errors import AlreadyExists, InvalidRequest, PermissionDenied, StorageUnavailable
from storage.maintenance.cleanup import files_needed
from storage.maintenance.sweep import sweep_storage

CHECK_SCHEMA = pa.schema([("storage", pa.string()), ("status", pa.string()), ("milliseconds", pa.float64())])
_BLANK = ("name", "credentials", "if_not_exists")


def define_storage(context: StatementContext, statement: StorageStatement) -> None:
    """Apply it to the context's transaction. Raises AlreadyExists, NotFound, InvalidRequest, StorageUnavailable."""
    match statement:
        case CreateStorage():
            _create(context, statement)
        case AlterStorage():
            _alter(context, statement)
        case DropStorage():
            _drop(context, statement)


def check_storage(context: StatementContext, statement: CheckStorage) -> pa.Table:
    """Write, read and remove a probe. Raises NotFound, StorageUnavailable."""
    clock = context.services.clock
    started_seconds = clock.monotonic_seconds()
    context.services.engine.file_stores.get(statement.name).probe()
    milliseconds = (clock.monotonic_seconds() - started_seconds) * 1000
    row = {"storage": statement.name, "status": "ok", "milliseconds": round(milliseconds, 3)}
    return pa.Table.from_pylist([row], schema=CHECK_SCHEMA)


def _create(context: StatementContext, statement: CreateStorage) -> None:
    _check_folder(context, statement)
    definition = StorageDef(
        name=statement.name,
        type=statement.type,
        uri=statement.uri,
        region=statement.region,
        endpoint=statement.endpoint,
        credentials=_sealed(context, statement.credentials),
        shared_template=statement.shared_template,
        user_template=statement.user_template,
        sharding=statement.sharding,
        description=statement.description,
        claim=new_claim(),
        created_ms=context.services.clock.wall_ms(),
    )

    def create(catalog: Catalog) -> Catalog:
        if definition.name not in catalog.storages:
            return catalog.with_storage(definition)
        if statement.if_not_exists:
            return catalog
        raise AlreadyExists(
            f"storage '{definition.name}' already exists; change it with ALTER STORAGE", sqlstate="42710"
        )

    context.transaction.change_catalog(create)


def _alter(context: StatementContext, statement: AlterStorage) -> None:
    changes = {
        field.name: value
        for field in fields(statement)
        if field.name not in _BLANK and (value := getattr(statement, field.name)) is not None
    }
    if statement.credentials is not None:
        changes["credentials"] = _sealed(context, statement.credentials)

    def alter(catalog: Catalog) -> Catalog:
        storage = catalog.storage(statement.name)
        wrong = sorted(changes.keys() & {"region", "endpoint", "credentials"})
        if storage.type is not StorageType.S3 and wrong:
            raise InvalidRequest(f"storage '{storage.name}' is a folder; it has no {wrong[0].upper()}")
        return catalog.with_storage(msgspec.structs.replace(storage, **changes))

    context.transaction.change_catalog(alter)


def _drop(context: StatementContext, statement: DropStorage) -> None:
    catalog = context.transaction.catalog
    if statement.if_exists and statement.name not in catalog.storages:
        return
    catalog.without_storage(statement.name)
    _empty(context, statement.name)
    context.transaction.change_catalog(lambda catalog: catalog.without_storage(statement.name))


def _empty(context: StatementContext, name: str) -> None:
    """See to it that no file is left there. Raises InvalidRequest when some are needed still."""
    engine = context.services.engine
    left = files_needed(engine, name)
    if left or engine.file_stores.is_writing(name):
        raise InvalidRequest(
            f"storage '{name}' can't be dropped: {left or 'new'} files of tables lie there still; wait until they are "
            "moved (system.jobs) and until what reads them has ended, then drop it",
            sqlstate="2BP01",
        )
    with suppress(StorageUnavailable):  # a place that can't be reached any more must not be kept for that
        store = engine.file_stores.get(name)
        sweep_storage(engine, store)
        store.give_up_ownership()


def _sealed(context: StatementContext, secret: Secret | None) -> str:
    """Raises InvalidRequest, which repeats nothing of the secret."""
    if secret is None:
        return ""
    text = secret.text
    if secret.parameter is not None:
        value = (context.params or {}).get(secret.parameter)
        text = None if value is None else value.as_py()
        if not isinstance(text, str):
            raise InvalidRequest("the credentials have to be bound as text", sqlstate="07001")
    return "" if text is None else context.services.engine.secrets.seal(read_credentials(text))


def _check_folder(context: StatementContext, statement: CreateStorage) -> None:
    """Raises InvalidRequest, PermissionDenied. Links are followed before it is looked where a folder is."""
    if statement.type is not StorageType.FILESYSTEM:
        return
    engine = context.services.engine
    data = engine.directory.resolve()
    folder = Path(StorageDef(name=LOCAL, type=statement.type, uri=statement.uri).directory).resolve()
    if is_within(str(folder), str(data)) or is_within(str(data), str(folder)):
        raise InvalidRequest(
            f"storage '{statement.name}' can't lie in the data directory, nor around it; give it a folder of its own"
        )
    if not any(folder.is_relative_to(Path(root).resolve()) for root in engine.settings.storage_directories):
        raise PermissionDenied(
            f"storage '{statement.name}' can't be in '{statement.uri}': the setting storage.storage_directories lists "
            "the folders that may hold storages"
        )
