"""Storages that are folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from storage.catalog.schema import TableDef
from storage.catalog.storages import StorageDef, StorageType
from storage.engine import Engine
from storage.state.edits import Edit
from tests.support.storage_builders import alter, now


def folder_storage(folder: Path, name: str = "archive", **more: Any) -> StorageDef:
    return StorageDef(name=name, type=StorageType.FILESYSTEM, uri=f"file://{folder}", claim=f"claim of {name}", **more)


def create(engine: Engine, storage: StorageDef) -> StorageDef:
    engine.commit(Edit(catalog=lambda catalog: catalog.with_storage(storage)))
    return storage


def parquet_files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}


def moved(engine: Engine, table: TableDef, storage: str) -> TableDef:
    options = msgspec.structs.replace(now(engine, table).options, storage=storage)
    return alter(engine, table, options=options)
