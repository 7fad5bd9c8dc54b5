"""Statements about users and rights: what is read, what is refused, and that no error repeats a password."""

from __future__ import annotations

import pytest

from flight_server.parser.statements.session import Show, ShowKind
from flight_server.parser.statements.table_ref import TableRef
from flight_server.parser.statements.users import (
    AlterUser,
    CreateUser,
    DropUser,
    ExecuteAs,
    GrantRights,
    Secret,
    UndropUser,
)
from flight_server.parser.text.redaction import UNREADABLE, without_secrets
from storage.catalog.users import Privilege, Role
from storage.errors import FrostlineError, InvalidRequest, NotSupported
from tests.support.parsed import parse

T, SECRET = TableRef(None, "t"), "hunter2"


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("CREATE USER 'Ann' WITH PASSWORD 'p'", CreateUser("Ann", Secret("p"))),
        ("create user ANN", CreateUser("ann")),
        (
            "CREATE USER IF NOT EXISTS 'a@b.c' WITH PASSWORD 'p' ROLE dba EMAIL 'a@b.c'",
            CreateUser("a@b.c", Secret("p"), Role.DBA, "a@b.c", if_not_exists=True),
        ),
        ("CREATE USER \"ann\" ROLE 'service', PASSWORD $1", CreateUser("ann", Secret(parameter="1"), Role.SERVICE)),
        ("ALTER USER 'ann' WITH PASSWORD 'q'", AlterUser("ann", Secret("q"))),
        ("ALTER USER ann SET ROLE user EMAIL ''", AlterUser("ann", role=Role.USER, email="")),
        ("ALTER USER ann PASSWORD NULL", AlterUser("ann", Secret())),
        ("DROP USER 'ann'", DropUser("ann")),
        ("DROP USER IF EXISTS ann", DropUser("ann", if_exists=True)),
        ("UNDROP USER 'ann'", UndropUser("ann")),
        ("GRANT SELECT ON t TO 'ann'", GrantRights(frozenset({Privilege.SELECT}), (T,), ("ann",))),
        (
            "GRANT INSERT, UPDATE, DELETE ON TABLE t, s.t TO 'ann', bob",
            GrantRights(
                frozenset({Privilege.INSERT, Privilege.UPDATE, Privilege.DELETE}),
                (T, TableRef("s", "t")),
                ("ann", "bob"),
            ),
        ),
        ("GRANT ALL PRIVILEGES ON t TO ann", GrantRights(frozenset(), (T,), ("ann",))),
        ("REVOKE ALL ON t FROM ann", GrantRights(frozenset(), (T,), ("ann",), revoke=True)),
        ("EXECUTE AS USER 'ann' (SELECT (1) AS a)", ExecuteAs("ann", "SELECT (1) AS a")),
        ("SHOW USERS", Show(ShowKind.USERS)),
        ("SHOW GRANTS", Show(ShowKind.GRANTS)),
        ("SHOW GRANTS FOR 'ann'", Show(ShowKind.GRANTS, user="ann")),
    ],
)
def test_a_statement_about_users_is_read(sql, statement):
    assert parse(sql) == statement


@pytest.mark.parametrize(
    ("sql", "kind", "told"),
    [
        ("CREATE USER 'a b' WITH PASSWORD 'p'", InvalidRequest, "1-64 characters"),
        ("CREATE USER 'ann' ROLE admin", InvalidRequest, "user, service, dba, system"),
        ("CREATE USER 'ann' ROLE dba ROLE user", InvalidRequest, "ROLE is given twice"),
        ("CREATE OR REPLACE USER 'ann'", InvalidRequest, "expected TABLE"),
        ("ALTER USER 'ann'", InvalidRequest, "expected PASSWORD, ROLE, EMAIL, STORAGE or STORAGE_MODE"),
        ("ALTER USER 'ann' EMAIL 'a\nb'", InvalidRequest, "e-mail"),
        ("DROP USER a, b", NotSupported, "one at a time"),
        ("UNDROP TABLE t", NotSupported, "only users"),
        ("GRANT dba TO ann", NotSupported, "ALTER USER"),
        ("GRANT SELECT (a) ON t TO ann", NotSupported, "single columns"),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA s TO ann", NotSupported, "whole namespaces"),
        ("GRANT SELECT ON t TO ann WITH GRANT OPTION", NotSupported, "GRANT OPTION"),
        ("GRANT TRUNCATE ON t TO ann", InvalidRequest, "expected SELECT, INSERT"),
        ("GRANT SELECT ON t FROM ann", InvalidRequest, "expected TO"),
        ("EXECUTE p", NotSupported, "client's driver"),
        ("EXECUTE AS USER 'ann' SELECT 1", InvalidRequest, "expected \\("),
        ("EXECUTE AS USER 'ann' ()", InvalidRequest, "expected a statement"),
        ("CREATE ROLE r", NotSupported, "CREATE ROLE"),
    ],
)
def test_a_wrong_one_is_refused_with_the_reason(sql, kind, told):
    with pytest.raises(kind, match=told):
        parse(sql)


MISPLACED = (
    "CREATE USER 'u' WITH PASSWORD {} ROLL dba",
    "CREATE USER 'u' PASSWORD = {}",
    "CREATE USER 'u' WITH PASSWORD TO {}",
    "CREATE USER 'u' {}",
    "CREATE USER 'u' WITH {} PASSWORD",
    "ALTER USER u PASSWORD 'x' {}",
    "ALTER USER u SET PASSWORD {} {}",
)


@pytest.mark.parametrize("sql", MISPLACED)
@pytest.mark.parametrize("quote", ["'", "$$", "E'"])
def test_no_syntax_error_repeats_a_password(sql, quote):
    written = f"{quote}{SECRET}{quote[-1:] if quote[0] != '$' else quote}"
    with pytest.raises(FrostlineError) as refused:
        parse(sql.replace("{}", written))
    assert SECRET not in refused.value.message


def test_an_unquoted_password_is_not_repeated_either():
    with pytest.raises(InvalidRequest) as refused:
        parse(f"CREATE USER u WITH PASSWORD {SECRET}")
    assert SECRET not in refused.value.message


@pytest.mark.parametrize(
    "sql",
    [
        f"CREATE USER 'u' WITH PASSWORD '{SECRET}' ROLE dba",
        f"create user u password\n'{SECRET}'",
        f"ALTER USER u SET PASSWORD = '{SECRET}'",
        f"ALTER USER u PASSWORD {SECRET}",
        f'ALTER USER u PASSWORD "{SECRET}"',
        f"ALTER USER u PASSWORD TO {SECRET}",
        f"SELECT 1; ALTER USER u PASSWORD E'{SECRET}'; SELECT 2",
        f"ALTER USER u PASSWORD $${SECRET}$$",
        f"ALTER ann PASSWORD 'x' '{SECRET}'",
        f"EXECUTE AS USER 'x' (ALTER USER u PASSWORD '{SECRET}')",
        f"ALTER USER u PASSWORD '{SECRET}",
        f"ALTER USER u /* new */ PASSWORD /* is */ '{SECRET}'",
        repr(Secret(SECRET)) + " password",
    ],
)
def test_a_text_that_is_kept_has_no_password(sql):
    assert SECRET not in without_secrets(sql)


def test_what_is_no_secret_stays():
    for sql in ("SELECT 'x'", "CREATE USER u EMAIL 'a@b'", "CREATE USER u WITH PASSWORD $1 ROLE dba", "DROP USER 'u'"):
        assert without_secrets(sql) == sql
    assert without_secrets("ALTER USER 'u' PASSWORD 'x'; SELECT 'y'") == "ALTER USER 'u' PASSWORD '***'; SELECT 'y'"
    assert without_secrets("ALTER USER 'u' PASSWORD 'x") == UNREADABLE
