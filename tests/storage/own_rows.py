"""User tables, and rows of one owner."""

from __future__ import annotations

from typing import Any

import msgspec

from storage.catalog.schema import TableDef, TableKind
from storage.catalog.table_options import KEEP_FOR_EVER
from storage.engine import Engine
from storage.rowstore.owners import OwnerKey
from storage.state.edits import Edit
from tests.support.storage_builders import definition, now


def user_table(engine: Engine, name: str = "t", **more: Any) -> TableDef:
    """The definition that nobody owns."""
    made = definition(engine, name, **{"deleted_retention_seconds": KEEP_FOR_EVER, **more})
    made = msgspec.structs.replace(made, kind=TableKind.USER)
    engine.commit(Edit(catalog=lambda catalog: catalog.with_new_table(made)))
    return now(engine, made)


def own(engine: Engine, table: TableDef, user: str) -> TableDef:
    return now(engine, table).owned_by(engine.users.owner(OwnerKey(user)))
