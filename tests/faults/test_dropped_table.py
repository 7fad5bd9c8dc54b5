"""A large table is dropped, and the process is killed again and again while what it left goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from storage.catalog.schema import TableDef
from storage.clock import SystemClock
from storage.engine import Engine
from storage.state.edits import Edit, FlushChange
from storage.state.state import ColdFile
from tests.faults.engine_cases import Case, EngineCases
from tests.faults.oracle import SMALL
from tests.support import storage_builders as furniture

FILES: Final = 1000
KILLS: Final = (
    ("cleanup.after_rows", 1),
    ("cleanup.before_remove", 50),
    ("cleanup.after_remove", 1),
    ("cleanup.after_remove", 250),
    ("cleanup.after_files", 1),
    ("commit.before_write", 1),
    ("log.before_sync", 2),
    ("cleanup.after_files", 2),
    ("cleanup.before_forget", 1),
    ("log.after_sync", 1),
)


def table_of_many_files(engine: Engine) -> TableDef:
    """One real file under many names, all in the manifest; and hot rows, deletes and keys."""
    table = furniture.make_table(engine, key=("k",))
    furniture.insert(engine, table, (1, "a"), (2, "b"))
    furniture.flush(engine, table)
    furniture.delete(engine, table, "k", 1)
    [first] = furniture.partition(engine, table).cold
    files = tuple(linked(engine, first) for _ in range(FILES - 1))
    engine.commit(Edit(maintenance=(FlushChange(table.partition_id, 0, files),)))
    furniture.insert(engine, table, (3, "c"))
    return table


def linked(engine: Engine, file: ColdFile) -> ColdFile:
    file_id = engine.new_id()
    path = file.path.replace(".parquet", f"-{file_id:x}.parquet")
    os.link(engine.files.full(file.path), engine.files.full(path))
    return msgspec.structs.replace(file, file_id=file_id, path=path)


def test_a_dropped_table_of_a_thousand_files_ends_clean_though_its_cleanup_is_killed_ten_times(
    engine_cases: EngineCases, quick_directory: Path
):
    directory = quick_directory / "data"
    with furniture.opened(directory, SystemClock(), SMALL) as engine:
        dropped = table_of_many_files(engine)
        kept = furniture.make_table(engine, "kept", key=("k",))
        furniture.insert(engine, kept, (1, "x"))
        furniture.flush(engine, kept)
        furniture.drop(engine, dropped)
        assert len(furniture.files_on_disk(engine)) == FILES + 1
    for point, nth in KILLS:
        assert engine_cases.run(Case(str(directory), point=point, nth=nth, restart=True)).was_killed, point
    with furniture.opened(directory, SystemClock(), SMALL) as engine:
        furniture.clean(engine)
        assert engine.dropped() == []
        assert len(furniture.files_on_disk(engine)) == 1
        assert furniture.values(engine, kept) == [1]
    assert engine_cases.run(Case(str(directory), restart=True)).is_clean
