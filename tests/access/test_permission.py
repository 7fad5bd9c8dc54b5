"""Every kind of statement has an answer to what it needs, and one that has none is refused."""

from __future__ import annotations

import typing

import pytest

from flight_server.access.grants import Action
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
ACTIONS = {
    "CREATE TABLE t (a INT)": Action.DEFINE,
    "CREATE TABLE t AS SELECT 1 AS a": Action.DEFINE,
    "ALTER TABLE t ADD COLUMN b INT": Action.DEFINE,
    "DROP TABLE t": Action.DEFINE,
    "CREATE VIEW v AS SELECT 1": Action.DEFINE,
    "ALTER VIEW v RENAME TO w": Action.DEFINE,
    "DROP VIEW v": Action.DEFINE,
    "CREATE NAMESPACE n": Action.DEFINE,
    "ALTER NAMESPACE n SET DESCRIPTION 'd'": Action.DEFINE,
    "DROP NAMESPACE n": Action.DEFINE,
    "COMMENT ON TABLE t IS 'c'": Action.DEFINE,
    "CREATE USER u": Action.MANAGE_USERS,
    "ALTER USER u ROLE dba": Action.MANAGE_USERS,
    "DROP USER u": Action.MANAGE_USERS,
    "UNDROP USER u": Action.MANAGE_USERS,
    "CREATE STORAGE s TYPE 'filesystem' URI 'file:///s'": Action.MANAGE_STORAGES,
    "ALTER STORAGE s SET DESCRIPTION 'd'": Action.MANAGE_STORAGES,
    "DROP STORAGE s": Action.MANAGE_STORAGES,
    "CHECK STORAGE s": Action.MANAGE_STORAGES,
    "GRANT SELECT ON t TO u": Action.MANAGE_USERS,
    "REVOKE SELECT ON t FROM u": Action.MANAGE_USERS,
    "FLUSH TABLE t": Action.FLUSH,
    "FLUSH ALL": Action.FLUSH,
    "WAIT FOR JOB 'j'": Action.FLUSH,
    "EVICT TABLE t": Action.EVICT,
    "COMPACT TABLE t": Action.COMPACT,
    "SCRUB TABLE t": Action.COMPACT,
    "SCRUB ALL": Action.COMPACT,
    "BACKUP DATABASE TO 'file:///b'": Action.BACKUP,
    "SHOW BACKUP 'file:///b'": Action.BACKUP,
    "RESTORE DATABASE FROM 'file:///b'": Action.RESTORE,
    "KILL JOB 'j'": Action.KILL_JOB,
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


@pytest.mark.parametrize(("sql", "action"), ACTIONS.items())
def test_what_is_no_change_of_rows_goes_by_role(sql, action):
    check = check_of(sql)
    assert isinstance(check, Needs)
    assert check.action is action


@pytest.mark.parametrize("sql", FREE)
def test_what_is_about_the_callers_own_or_checked_by_name_is_free(sql):
    assert check_of(sql) is by_name


@pytest.mark.parametrize(("sql", "privileges"), CHANGES.items())
def test_a_change_needs_its_privileges_on_its_table(sql, privileges):
    assert check_of(sql) is check_change
    assert needed(parse(sql)) == privileges


def test_every_kind_of_statement_is_listed():
    listed = {type(parse(sql)) for sql in (*ACTIONS, *CHANGES, *FREE)}
    assert kinds(Statement) - {ExecuteAs} == listed == KINDS.keys()
    assert kinds(statements.Definition) <= {
        type(parse(sql)) for sql, action in ACTIONS.items() if action is Action.DEFINE
    }


def test_a_kind_without_a_row_is_denied(tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "KINDS", {})
    with house(tmp_path) as home, pytest.raises(PermissionDenied, match="nobody may run"):
        home.do(home.enter(), "SELECT 1")
