"""Every kind of statement has an answer to what it needs, and one that has none is refused."""

from __future__ import annotations

import typing

import pytest

from flight_server.access.grants import Deed
from flight_server.parser.statements import statement as statements
from flight_server.parser.statements.statement import Statement
from flight_server.parser.statements.users import ExecuteAs
from flight_server.sql import executor
from flight_server.sql.permissions import Needs, by_name, check_change, needed
from flight_server.sql.statement_kinds import KINDS
from storage.catalog.users import Privilege
from storage.errors import PermissionDenied
from tests.support.in_process import house
from tests.support.parsed import parse

SELECT, INSERT, UPDATE, DELETE = Privilege
DEEDS = {
    "CREATE TABLE t (a INT)": Deed.DEFINE,
    "CREATE TABLE t AS SELECT 1 AS a": Deed.DEFINE,
    "ALTER TABLE t ADD COLUMN b INT": Deed.DEFINE,
    "DROP TABLE t": Deed.DEFINE,
    "CREATE VIEW v AS SELECT 1": Deed.DEFINE,
    "ALTER VIEW v RENAME TO w": Deed.DEFINE,
    "DROP VIEW v": Deed.DEFINE,
    "CREATE NAMESPACE n": Deed.DEFINE,
    "ALTER NAMESPACE n SET DESCRIPTION 'd'": Deed.DEFINE,
    "DROP NAMESPACE n": Deed.DEFINE,
    "COMMENT ON TABLE t IS 'c'": Deed.DEFINE,
    "CREATE USER u": Deed.MANAGE_USERS,
    "ALTER USER u ROLE dba": Deed.MANAGE_USERS,
    "DROP USER u": Deed.MANAGE_USERS,
    "UNDROP USER u": Deed.MANAGE_USERS,
    "CREATE STORAGE s TYPE 'filesystem' URI 'file:///s'": Deed.MANAGE_STORAGES,
    "ALTER STORAGE s SET DESCRIPTION 'd'": Deed.MANAGE_STORAGES,
    "DROP STORAGE s": Deed.MANAGE_STORAGES,
    "CHECK STORAGE s": Deed.MANAGE_STORAGES,
    "GRANT SELECT ON t TO u": Deed.MANAGE_USERS,
    "REVOKE SELECT ON t FROM u": Deed.MANAGE_USERS,
    "FLUSH TABLE t": Deed.FLUSH,
    "FLUSH ALL": Deed.FLUSH,
    "WAIT FOR JOB 'j'": Deed.FLUSH,
    "EVICT TABLE t": Deed.EVICT,
    "COMPACT TABLE t": Deed.COMPACT,
    "SCRUB TABLE t": Deed.COMPACT,
    "SCRUB ALL": Deed.COMPACT,
    "BACKUP DATABASE TO 'file:///b'": Deed.BACKUP,
    "SHOW BACKUP 'file:///b'": Deed.BACKUP,
    "RESTORE DATABASE FROM 'file:///b'": Deed.RESTORE,
    "KILL JOB 'j'": Deed.KILL_JOB,
}
CHANGES = {
    "INSERT INTO t VALUES (1)": {INSERT},
    "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING": {INSERT},
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 1": {INSERT, UPDATE, SELECT},
    "INSERT INTO t VALUES (1) RETURNING a": {INSERT, SELECT},
    "UPDATE t SET a = 1": {UPDATE, SELECT},
    "DELETE FROM t": {DELETE, SELECT},
    "TRUNCATE t": {DELETE, SELECT},
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE": {SELECT, DELETE},
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = 1 WHEN NOT MATCHED THEN INSERT VALUES (1)": {
        SELECT,
        UPDATE,
        INSERT,
    },
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DO NOTHING": {SELECT},
}
# About what is the caller's own, or checked name by name where it is read.
FREE = (
    "SELECT 1",
    "SHOW TABLES",
    "DESCRIBE t",
    "DESCRIBE SELECT 1",
    "USE n",
    "SET durability = 'full'",
    "BEGIN",
    "KILL QUERY 'q'",
    "SUBSCRIBE TO SELECT a FROM t",
    "KILL LIVE QUERY 'q'",
)


def kinds(union: object) -> set[type]:
    """All classes of a union, however it is nested."""
    parts = typing.get_args(union)
    return {union} if not parts else set().union(*map(kinds, parts))  # type: ignore[arg-type]


def check_of(sql: str) -> object:
    return KINDS[type(parse(sql))].check


@pytest.mark.parametrize(("sql", "deed"), DEEDS.items())
def test_what_is_no_change_of_rows_goes_by_role(sql, deed):
    check = check_of(sql)
    assert isinstance(check, Needs)
    assert check.deed is deed


@pytest.mark.parametrize("sql", FREE)
def test_what_is_about_the_callers_own_or_checked_by_name_is_free(sql):
    assert check_of(sql) is by_name


@pytest.mark.parametrize(("sql", "privileges"), CHANGES.items())
def test_a_change_needs_its_privileges_on_its_table(sql, privileges):
    assert check_of(sql) is check_change
    assert needed(parse(sql)) == privileges


def test_every_kind_of_statement_is_listed():
    listed = {type(parse(sql)) for sql in (*DEEDS, *CHANGES, *FREE)}
    assert kinds(Statement) - {ExecuteAs} == listed == KINDS.keys()
    assert kinds(statements.Definition) <= {type(parse(sql)) for sql, deed in DEEDS.items() if deed is Deed.DEFINE}


def test_a_kind_without_a_row_is_denied(tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "KINDS", {})
    with house(tmp_path) as home, pytest.raises(PermissionDenied, match="nobody may run"):
        home.do(home.enter(), "SELECT 1")
