"""Opening a data directory: the state is what it was, damage is refused by name, and one server holds it."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from storage.catalog.catalog import Catalog
from storage.catalog.names import table_name
from storage.catalog.schema import Column, NamespaceDef, TableDef, ViewDef, write_fill
from storage.catalog.users import Grant, GrantName, Privilege, UserRecord
from storage.clock import ManualClock
from storage.data_directory import LOCK_FILE, DirectoryInUse
from storage.engine import Engine
from storage.errors import Corruption, StorageUnavailable
from storage.rowstore.keys import DELETES, HOT, MANIFEST, META, MetaKind, meta_key, pair_key
from storage.rowstore.row_store import Operation, Put, Remove
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.support.storage_builders import (
    SPILLING,
    alter,
    compact,
    delete,
    drop,
    flush,
    insert,
    keys,
    load,
    make_table,
    now,
    opened,
    partition,
    read,
    rows_batch,
    values,
    write_directly,
)


def column(name: str, kind: pa.DataType, **more: Any) -> Column:
    return Column(name=name, physical_name=name, type=kind, sql_type=str(kind), **more)


def add_filled(engine: Engine, table: TableDef) -> TableDef:
    added = column("n", pa.int32(), fill=write_fill(pa.array([7], pa.int32())))
    return alter(engine, table, columns=(*table.columns, added))


def drop_column(engine: Engine, table: TableDef) -> TableDef:
    return alter(engine, table, columns=table.columns[:1], retired_names=("v",))


def drop_and_add_again(engine: Engine, table: TableDef) -> TableDef:
    table = drop_column(engine, table)
    again = Column(name="v", physical_name="v_2", type=pa.int64(), sql_type="BIGINT")
    return alter(engine, table, columns=(*table.columns, again))


def rename_column(engine: Engine, table: TableDef) -> TableDef:
    return alter(engine, table, columns=(table.columns[0], msgspec.structs.replace(table.columns[1], name="w")))


def widen(engine: Engine, table: TableDef) -> TableDef:
    return alter(engine, table, columns=(msgspec.structs.replace(table.columns[0], type=pa.int64()), table.columns[1]))


def rename_table(engine: Engine, table: TableDef) -> TableDef:
    other = table_name("public", "other")
    engine.commit(Edit(catalog=lambda c: c.with_renamed_table(c.table_by_id(table), other)))
    return now(engine, table)


ALTERS: list[Callable[[Engine, TableDef], TableDef]] = [
    add_filled,
    drop_column,
    drop_and_add_again,
    rename_column,
    widen,
    rename_table,
]


def shown(engine: Engine, table: TableDef) -> tuple[Any, ...]:
    """All that a restart must not change."""
    state = partition(engine, table)
    deletes = state.deletes.all
    return (
        now(engine, table),
        read(engine, table),
        (state.rows, state.hot_rows, state.cold),
        (deletes.seqs.tolist(), deletes.commits.tolist()),
        engine.state.last_seq,
        dict(engine.state.catalog.tables),
    )


@pytest.mark.parametrize("change", ALTERS, ids=lambda change: change.__name__)
def test_rows_of_every_age_survive_a_schema_change_and_a_restart(
    change: Callable[[Engine, TableDef], TableDef], tmp_path: Path, clock: ManualClock
):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine, columns={"k": pa.int32(), "v": pa.string()})
        insert(engine, table, (1, "cold"), (2, "dead"))
        flush(engine, table)
        insert(engine, table, (3, "hot"), (4, "dead"))
        delete(engine, table, "k", 2, 4)
        changed = change(engine, table)
        insert(engine, changed, [5 if c.name == "k" else None for c in changed.columns])
        before = shown(engine, table)
        assert values(engine, table) == [1, 3, 5]
    for _ in range(2):
        with opened(tmp_path, clock) as engine:
            assert shown(engine, table) == before
    with opened(tmp_path, clock) as engine:
        flush(engine, table)
        compact(engine, table)
        assert read(engine, table) == before[1]
        before = shown(engine, table)
    with opened(tmp_path, clock) as engine:
        assert shown(engine, table) == before


def test_all_kinds_of_changes_in_one_life_survive_a_restart(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock, SPILLING) as engine:
        keyed, plain, gone = (
            make_table(engine, "keyed", key=("k",)),
            make_table(engine, "plain"),
            make_table(engine, "g"),
        )
        load(engine, keyed, *((k, "load") for k in range(5)))
        insert(engine, keyed, (10, "hot"), (11, "hot"))
        delete(engine, keyed, "k", 1, 10)
        for k in range(3):
            insert(engine, plain, (k, "x"))
            flush(engine, plain)
            clock.advance(1)
        compact(engine, plain)
        insert(engine, gone, (1, "x"))
        drop(engine, gone)
        before = shown(engine, keyed), shown(engine, plain)
    with opened(tmp_path, clock, SPILLING) as engine:
        assert (shown(engine, keyed), shown(engine, plain)) == before
        assert gone.name not in engine.state.catalog.tables


def test_the_whole_catalog_survives_a_restart(tmp_path: Path, clock: ManualClock):
    def fill(catalog: Catalog) -> Catalog:
        catalog = catalog.with_namespace(NamespaceDef(name="sales", description="d"))
        catalog = catalog.with_view(
            ViewDef(name=table_name("sales", "v"), sql="SELECT 1", default_namespace="sales"), or_replace=False
        )
        catalog = catalog.with_user(UserRecord(name="ann", role="user", password_hash="x", email="a@b", dropped_ms=7))
        name = GrantName("ann", table_name("sales", "v"))
        return catalog.with_grant(Grant(name=name, privileges=(Privilege.SELECT,), granted_by="root"))

    with opened(tmp_path, clock) as engine:
        make_table(engine)
        engine.commit(Edit(catalog=fill))
        before = engine.state.catalog
    with opened(tmp_path, clock) as engine:
        found = engine.state.catalog
        assert (found.namespaces, found.tables, found.views, found.users, found.grants) == (
            before.namespaces,
            before.tables,
            before.views,
            before.users,
            before.grants,
        )
        engine.commit(Edit(catalog=lambda c: c.without_namespace("sales", cascade=True)))
    with opened(tmp_path, clock) as engine:
        found = engine.state.catalog
        assert (list(found.namespaces), dict(found.views), dict(found.grants)) == (["public"], {}, {})


def test_every_schema_version_is_remembered(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        table = make_table(engine)
        add_filled(engine, table)
    with opened(tmp_path, clock) as engine:
        assert [(t.version, len(t.columns)) for t in engine.table_history.of(table.table_id)] == [(1, 2), (2, 3)]


def test_the_ledger_survives_a_restart(tmp_path: Path):
    with opened(tmp_path) as engine:
        for job in ("FL-2", "FL-1", "CO-1"):
            engine.job_records.put_job(job, job.encode())
        engine.job_records.delete_jobs(["FL-2"])
    with opened(tmp_path) as engine:
        assert list(engine.job_records.jobs()) == [("CO-1", b"CO-1"), ("FL-1", b"FL-1")]


@pytest.fixture
def directory(tmp_path: Path, clock: ManualClock) -> Path:
    """A closed data directory with a table of hot, cold and deleted rows; the table has id 1."""
    with opened(tmp_path / "data", clock) as engine:
        table = make_table(engine)
        assert table.partition_id == 1
        insert(engine, table, (1, "a"))
        flush(engine, table)
        insert(engine, table, (2, "b"))
        delete(engine, table, "k", 1)
    return tmp_path / "data"


FORMAT = meta_key(MetaKind.FORMAT, "")
DAMAGE: dict[str, tuple[Operation, str]] = {
    "a newer format": (Put(META, FORMAT, b"2"), "format '2', this server reads '1'"),
    "no format": (Remove(META, FORMAT), "format 'none'"),
    "a record of unknown kind": (Put(META, b"Zx", b"{}"), "catalog record"),
    "a table record that is no JSON": (Put(META, meta_key(MetaKind.TABLE, "public.t"), b"{"), "catalog record"),
    "a table record without its type": (
        Put(META, meta_key(MetaKind.TABLE, "public.t"), b'{"table_id": 1}'),
        "catalog record",
    ),
    "a counter that is no number": (Put(META, meta_key(MetaKind.NEXT_ID, ""), b"x"), "catalog record"),
    "a hot batch cut off": (Put(HOT, pair_key(1, 5), b"\x01"), "hot batch"),
    "a hot batch of noise": (Put(HOT, pair_key(1, 5), b"\x01\0\0\0\x01" + b"\xff" * 40), "hot batch"),
    "a hot batch of an unknown schema version": (Put(HOT, pair_key(1, 5), b"\x01\0\0\0\x09"), "schema version 9"),
    "a delete record cut off": (Put(DELETES, pair_key(1, 5), b"123"), "delete record"),
    "a manifest record that is no JSON": (Put(MANIFEST, pair_key(1, 5), b"["), "manifest record"),
    "a manifest record of another file": (
        Put(
            MANIFEST,
            pair_key(1, 5),
            b'{"file_id":6,"path":"p","rows":1,"bytes":1,"seq_min":1,"seq_max":1,"schema_version":1,'
            b'"checksum":"","column_names":[]}',
        ),
        "describes file 6",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_refused_at_the_start_and_nothing_is_rewritten(what: str, directory: Path, clock: ManualClock):
    operation, told = DAMAGE[what]
    write_directly(directory, operation)
    for _ in range(2):  # also a second time: the first changed nothing, and let go of the directory
        with pytest.raises(Corruption, match=told):
            Engine.open(directory, StorageSettings(), clock)


def read_all(directory: Path, clock: ManualClock) -> tuple[Any, ...]:
    """Everything that is in the directory: rows, and who has which key."""
    with opened(directory, clock) as engine:
        (table,) = engine.state.catalog.tables.values()
        found = engine.keys.find(table.partition_id, keys(table, rows_batch(table, [(k, "") for k in range(5)])))
        return shown(engine, table), found, list(engine.job_records.jobs())


def test_a_flipped_bit_in_the_row_store_is_refused_or_changes_nothing(tmp_path: Path, clock: ManualClock):
    """One bit in each table file, at several places: never a row fewer, never a deleted one back."""
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    with opened(whole, clock) as engine:
        table = make_table(engine, key=("k",))
        insert(engine, table, (1, "a"), (2, "b"))
        flush(engine, table)
        insert(engine, table, (3, "c"))
        delete(engine, table, "k", 1)
        engine.job_records.put_job("FL-1", b"{}")
    expected = read_all(whole, clock)
    files = sorted(path.name for path in (whole / "rows").glob("*.sst"))
    assert len(files) >= 5  # meta, hot, deletes, pk, manifest
    refused: list[str] = []
    for name, place in itertools.product(files, (3, 20, 60)):
        shutil.copytree(whole, damaged)
        content = bytearray((damaged / "rows" / name).read_bytes())
        content[place] ^= 1
        (damaged / "rows" / name).write_bytes(content)
        try:
            assert read_all(damaged, clock) == expected
        except Corruption as error:
            refused.append(error.message)
        shutil.rmtree(damaged)
    assert len(refused) > len(files)
    assert not [message for message in refused if str(tmp_path) in message]


def test_one_engine_at_a_time_holds_a_directory(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path / "data", clock):
        with pytest.raises(DirectoryInUse) as refused:
            Engine.open(tmp_path / "data", StorageSettings(), clock)
        assert f"process {os.getpid()} on {socket.gethostname()}" in refused.value.message
        assert str(tmp_path) not in refused.value.message
    with opened(tmp_path / "data", clock):
        pass


def test_a_lock_file_that_a_crash_left_is_taken_over(tmp_path: Path):
    (tmp_path / LOCK_FILE).write_text("process 1 on elsewhere\n")
    with opened(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == f"process {os.getpid()} on {socket.gethostname()}\n"


def test_a_directory_that_cannot_be_is_refused_in_one_sentence(tmp_path: Path, clock: ManualClock):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageUnavailable, match="can't be"):
            Engine.open(place, StorageSettings(), clock)
