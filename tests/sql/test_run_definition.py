"""Definitions, run by their executor alone: what each makes of the transaction's catalog, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flight_server.sql import statement_kinds
from flight_server.sql.define.run_definition import run_definition
from flight_server.sql.statement_kinds import KINDS
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName
from storage.catalog.users import GrantName, Privilege
from storage.clock import DAY_MS
from storage.errors import FrostlineError
from tests.support.in_process import House, house

Holds = Callable[[Catalog], bool]
ITEMS, NAMES = TableName("shop", "items"), TableName("shop", "names")
SETUP = (
    "CREATE NAMESPACE shop",
    "CREATE NAMESPACE empty",
    "CREATE TABLE shop.items (id BIGINT PRIMARY KEY, name VARCHAR, amount INT DEFAULT 3)",
    "CREATE VIEW shop.names AS SELECT name FROM shop.items",
    "CREATE USER 'ann' WITH PASSWORD 'a long password'",
    "CREATE USER 'gone' WITH PASSWORD 'a long password'",
    "DROP USER 'gone'",
    "CREATE STORAGE archive TYPE 'filesystem' URI 'file://{folder}/archive'",
)
DEFINITIONS: dict[str, Holds] = {
    "CREATE TABLE shop.more (a INT)": lambda c: TableName("shop", "more") in c.tables,
    "CREATE TABLE shop.copied AS SELECT * FROM shop.items": lambda c: TableName("shop", "copied") in c.tables,
    "ALTER TABLE shop.items ADD COLUMN colour VARCHAR": lambda c: c.tables[ITEMS].column("colour") is not None,
    "ALTER TABLE shop.items DROP COLUMN amount": lambda c: c.tables[ITEMS].column("amount") is None,
    "ALTER TABLE shop.items RENAME TO things": lambda c: ITEMS not in c.tables,
    "ALTER TABLE shop.items RENAME COLUMN amount TO n": lambda c: c.tables[ITEMS].column("n") is not None,
    "ALTER TABLE shop.items SET (access_level = 'public')": (
        lambda c: c.tables[ITEMS].options.access_level == "public"
    ),
    "DROP TABLE shop.items CASCADE": lambda c: not {ITEMS, NAMES} & (c.tables.keys() | c.views.keys()),
    "COMMENT ON TABLE shop.items IS 'on the shelf'": lambda c: c.tables[ITEMS].comment == "on the shelf",
    "COMMENT ON VIEW shop.names IS 'of them'": lambda c: c.views[NAMES].comment == "of them",
    "CREATE NAMESPACE other": lambda c: "other" in c.namespaces,
    "ALTER NAMESPACE shop SET DESCRIPTION 'what we sell'": lambda c: c.namespaces["shop"].description == "what we sell",
    "DROP NAMESPACE empty": lambda c: "empty" not in c.namespaces,
    "CREATE VIEW shop.ids AS SELECT id FROM shop.items": lambda c: TableName("shop", "ids") in c.views,
    "ALTER VIEW shop.names RENAME TO called": lambda c: NAMES not in c.views,
    "DROP VIEW shop.names": lambda c: NAMES not in c.views,
    "CREATE USER 'ben'": lambda c: "ben" in c.users,
    "ALTER USER 'ann' EMAIL 'ann@example.com'": lambda c: c.users["ann"].email == "ann@example.com",
    "DROP USER 'ann'": lambda c: not c.users["ann"].is_active,
    "UNDROP USER 'gone'": lambda c: c.users["gone"].is_active,
    "GRANT SELECT ON shop.items TO 'ann'": (
        lambda c: (
            Privilege.SELECT in c.grants[GrantName("ann", ITEMS)].privileges
            if GrantName("ann", ITEMS) in c.grants
            else False
        )
    ),
    "CREATE STORAGE second TYPE 'filesystem' URI 'file://{folder}/second'": lambda c: "second" in c.storages,
    "ALTER STORAGE archive SET DESCRIPTION 'slow'": lambda c: c.storages["archive"].description == "slow",
    "DROP STORAGE archive": lambda c: "archive" not in c.storages,
}
CHANGE_NOTHING = (
    "CREATE TABLE IF NOT EXISTS shop.items (id BIGINT PRIMARY KEY)",
    "DROP TABLE IF EXISTS shop.nothing",
    "CREATE NAMESPACE IF NOT EXISTS shop",
    "DROP NAMESPACE IF EXISTS nothing",
    "CREATE VIEW IF NOT EXISTS shop.names AS SELECT 1 AS a",
    "DROP VIEW IF EXISTS shop.nothing",
    "CREATE USER IF NOT EXISTS 'ann'",
    "DROP USER IF EXISTS 'nobody'",
    "DROP STORAGE IF EXISTS nothing",
)
REFUSED = {
    "CREATE TABLE shop.items (a INT)": "42P07",
    "CREATE TABLE nowhere.t (a INT)": "3F000",
    "ALTER TABLE shop.nothing ADD COLUMN a INT": "42P01",
    "ALTER TABLE shop.items DROP COLUMN id": "2BP01",
    "DROP TABLE shop.nothing": "42P01",
    "CREATE NAMESPACE shop": "42P06",
    "DROP NAMESPACE shop": "2BP01",
    "CREATE VIEW shop.names AS SELECT 1 AS a": "42P07",
    "DROP VIEW shop.nothing": "42P01",
    "CREATE USER 'ann'": "42710",
    "ALTER USER 'nobody' EMAIL 'a@b.c'": "42704",
    "DROP USER 'nobody'": "42704",
    "UNDROP USER 'ann'": "42704",
    "GRANT SELECT ON shop.items TO 'nobody'": "42704",
    "GRANT SELECT ON shop.nothing TO 'ann'": "42P01",
    "DROP STORAGE nothing": "42704",
    "CREATE STORAGE archive TYPE 'filesystem' URI 'file://{folder}/third'": "42710",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("definitions")


@pytest.fixture(scope="module")
def home(folder: Path) -> Iterator[House]:
    with house(folder, user_grace_ms=DAY_MS) as opened:
        session = opened.enter()
        for sql in SETUP:
            opened.do(session, sql.format(folder=folder))
        yield opened


def test_every_kind_of_definition_is_tried_here(home: House, folder: Path):
    tried = set()
    for sql in DEFINITIONS:
        with home.running(home.enter(), sql.format(folder=folder)) as (_, statement):
            tried.add(type(statement))
    assert tried == {kind for kind, row in KINDS.items() if row.run is statement_kinds._define}


@pytest.mark.parametrize("sql", DEFINITIONS)
def test_a_definition_is_there_for_its_transaction_alone(home: House, folder: Path, sql: str):
    holds, before = DEFINITIONS[sql], home.engine.state.catalog
    assert not holds(before)
    with home.running(home.enter(), sql.format(folder=folder)) as (context, statement):
        run_definition(context, statement)
        assert holds(context.transaction.catalog)
        assert context.transaction.definitions >= 1
    assert home.engine.state.catalog is before


@pytest.mark.parametrize("sql", CHANGE_NOTHING)
def test_what_changes_nothing_leaves_the_catalog_and_the_audit_log_as_they_are(home: House, folder: Path, sql: str):
    with home.running(home.enter(), sql.format(folder=folder)) as (context, statement):
        before = context.transaction.catalog
        assert run_definition(context, statement).rows == 0
        assert context.transaction.catalog is before
        assert context.transaction._audit == []


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_refused_says_why_and_changes_nothing(home: House, folder: Path, sql: str):
    with home.running(home.enter(), sql.format(folder=folder)) as (context, statement):
        before = context.transaction.catalog
        with pytest.raises(FrostlineError) as refused:
            run_definition(context, statement)
        assert refused.value.sqlstate == REFUSED[sql]
        assert context.transaction.catalog is before


def test_the_audit_record_says_who_did_what_to_which_and_no_secret(home: House):
    sql = "ALTER USER 'ann' PASSWORD 'another long password'"
    with home.running(home.enter(), sql) as (context, statement):
        run_definition(context, statement)
        [record] = context.transaction._audit
    assert (record.user, record.action, record.object) == ("root", "ALTER USER", "ann")
    assert "another" not in record.detail
