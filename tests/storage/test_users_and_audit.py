"""Users, grants and the audit log on disk: what goes with what, what a crash leaves, what old directories lack."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.schema import TableDef
from storage.catalog.users import Grant, GrantName, Privilege, UserRecord, checked_user_name
from storage.clock import DAY_MS, ManualClock
from storage.engine import Engine
from storage.errors import InvalidRequest, NotFound
from storage.maintenance.sweep import sweep
from storage.rowstore import row_store as hot
from storage.rowstore.keys import AUDIT, FAMILIES, META, MetaKind, meta_key
from storage.settings import StorageSettings
from storage.state.edits import Edit
from tests.support.storage_builders import make_table, opened

ANN = UserRecord(name="ann", role="user", password_hash="x")


def granted(table: TableName, user: str = "ann") -> Grant:
    return Grant(name=GrantName(user, table), privileges=(Privilege.SELECT,))


def names(catalog: Catalog) -> list[str]:
    return sorted(str(name) for name in catalog.grants)


@pytest.fixture
def filled(engine: Engine) -> tuple[Catalog, TableDef]:
    """One user, two tables, a grant on each and one of somebody else's."""
    one, two = make_table(engine, "one"), make_table(engine, "two")
    catalog = engine.state.catalog.with_user(ANN)
    for grant in (granted(one.name), granted(two.name), granted(two.name, "bob")):
        catalog = catalog.with_grant(grant)
    return catalog, one


def test_grants_go_with_their_table_and_follow_its_name(filled):
    catalog, one = filled
    others = ["public.two/ann", "public.two/bob"]
    assert names(catalog.without_table(one.name)) == others
    assert names(catalog.with_renamed_table(one, TableName("public", "uno"))) == [*others, "public.uno/ann"]


def test_a_user_that_is_gone_for_good_leaves_no_grants(filled):
    catalog, _ = filled
    assert names(catalog.without_user("ann")) == ["public.two/bob"]
    assert names(catalog.without_grant(GrantName("bob", TableName("public", "two")))) == [
        "public.one/ann",
        "public.two/ann",
    ]


def test_a_dropped_user_is_not_found(filled):
    catalog, _ = filled
    assert catalog.user("ann") is ANN
    dropped = catalog.with_user(msgspec.structs.replace(ANN, dropped_ms=1))
    for name in ("ann", "nobody"):
        with pytest.raises(NotFound, match=f"user '{name}' does not exist"):
            dropped.user(name)


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "a/b", "-a", "a\n", "é", "x" * 65, "a'b"])
def test_a_bad_user_name_is_refused(name):
    with pytest.raises(InvalidRequest, match="1-64 characters"):
        checked_user_name(name)


def test_events_are_kept_in_order_with_the_edit_that_made_them(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        transaction = engine.begin()
        transaction.record(AuditRecord(user="ann", action="UNDONE"))
        transaction.rollback()
        engine.commit(Edit(audit=(AuditRecord(user="a", action="ONE"), AuditRecord(user="a", action="TWO"))))
        transaction = engine.begin()
        mark = transaction.mark()
        transaction.record(AuditRecord(user="b", action="TAKEN BACK"))
        transaction.restore(mark)
        transaction.record(AuditRecord(user="b", action="THREE"))
        transaction.commit(durable=True)
    with opened(tmp_path, clock) as engine:
        assert [(r.user, r.action, r.at_ms) for r in engine.audit_log.records()] == [
            ("a", "ONE", clock.wall_ms()),
            ("a", "TWO", clock.wall_ms()),
            ("b", "THREE", clock.wall_ms()),
        ]


def test_a_clock_set_back_writes_over_no_event(tmp_path: Path, clock: ManualClock):
    with opened(tmp_path, clock) as engine:
        engine.commit(Edit(audit=(AuditRecord(user="a", action="BEFORE"),)))
    clock.set_wall_ms(clock.wall_ms() - DAY_MS)
    with opened(tmp_path, clock) as engine:
        engine.commit(Edit(audit=(AuditRecord(user="a", action="AFTER"),)))
        assert [record.action for record in engine.audit_log.records()] == ["BEFORE", "AFTER"]


def test_a_refused_edit_leaves_no_event(engine: Engine):
    def refuse(_: Catalog) -> Catalog:
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        engine.commit(Edit(catalog=refuse, audit=(AuditRecord(user="a", action="x"),)))
    assert list(engine.audit_log.records()) == []


def test_the_sweep_lets_old_and_surplus_events_go(tmp_path: Path, clock: ManualClock):
    settings = StorageSettings(audit_kept_days=2, audit_records_max=3)
    with opened(tmp_path, clock, settings) as engine:
        for day in range(3):
            engine.commit(Edit(audit=(AuditRecord(user="a", action=f"DAY {day}"),)))
            clock.advance(DAY_MS / 1000)
        sweep(engine)
        assert [record.action for record in engine.audit_log.records()] == ["DAY 1", "DAY 2"]
        for number in range(3):
            engine.commit(Edit(audit=(AuditRecord(user="a", action=f"{number}"),)))
        sweep(engine)
        assert [record.action for record in engine.audit_log.records()] == ["0", "1", "2"]


def test_a_directory_from_before_users_and_audit_is_opened_with_defaults(tmp_path: Path, clock, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(hot, "FAMILIES", tuple(name for name in FAMILIES if name != AUDIT))
        with opened(tmp_path, clock) as engine:
            table = make_table(engine)
            old_user = b'{"name":"root","role":"system","password_hash":"h","created_ms":5}'
            key = meta_key(MetaKind.TABLE, str(table.name))
            stored = engine.row_store.get(META, key)
            assert stored is not None
            old_table = stored.replace(b',"access_level":"private"', b"")
            engine.row_store.write(
                [hot.Put(META, meta_key(MetaKind.USER, "root"), old_user), hot.Put(META, key, old_table)], durable=True
            )
    assert b"access_level" not in old_table
    with opened(tmp_path, clock) as engine:
        root = engine.state.catalog.user("root")
        assert (root.email, root.token_epoch, root.is_active) == ("", 0, True)
        assert engine.state.catalog.table(table.name).options.access_level == "private"
        engine.commit(Edit(audit=(AuditRecord(user="root", action="x"),)))
        assert len(list(engine.audit_log.records())) == 1
