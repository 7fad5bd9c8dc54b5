"""Two ways for rows into a transaction: `furniture.stage_rows`, and straight to Parquet as a bulk load does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storage.catalog.schema import TableDef
from storage.engine import Engine
from storage.transactions.row_stage import RowStage
from storage.transactions.transaction import Transaction
from tests.support.storage_builders import SPILLING, rows_batch


def stage_and_commit(
    stage: Callable[..., None], engine: Engine, own: Transaction, table: TableDef, rows: list[list[Any]]
) -> None:
    stage(engine, own, table, *rows)
    own.commit(durable=True)


def stage_files(engine: Engine, transaction: Transaction, table: TableDef, *rows: Any) -> None:
    """As `stage_rows`, but to files, whatever the engine's settings say."""
    table = transaction.state.catalog.table_by_id(table)
    stage = RowStage(table, engine.file_stores, SPILLING, engine.clock, engine.new_id)
    stage.append(rows_batch(table, rows))
    transaction.change(table, staged=stage.finish())
