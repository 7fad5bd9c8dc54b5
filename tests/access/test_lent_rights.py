"""EXECUTE AS lends rights for a statement: whatever would last, or reaches beyond rows and definitions, is refused."""

from __future__ import annotations

import typing

from flight_server.parser.grammar.statement import parse
from flight_server.parser.statements import statement as statements
from flight_server.parser.statements.statement import Statement
from flight_server.sql.execute_as import LENT

LENT_TEXTS = (
    "SELECT 1",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "DESCRIBE t",
    "DESCRIBE SELECT 1",
    "SUBSCRIBE TO SELECT * FROM t",
    "INSERT INTO t VALUES (1)",
    "UPDATE t SET a = 1",
    "DELETE FROM t",
    "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
    "TRUNCATE t",
    "CREATE TABLE t (a INT)",
    "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN b INT",
    "CREATE NAMESPACE n",
    "ALTER NAMESPACE n SET DESCRIPTION 'd'",
    "DROP NAMESPACE n",
    "CREATE VIEW v AS SELECT 1",
    "ALTER VIEW v RENAME TO w",
    "DROP VIEW v",
    "COMMENT ON TABLE t IS 'c'",
)
NEVER_TEXTS = (
    "CREATE USER u",
    "CREATE USER IF NOT EXISTS 'u' PASSWORD 'p' ROLE dba",
    "ALTER USER 'ann' PASSWORD 'taken over'",
    "ALTER USER \"ann\" PASSWORD 'taken over'",
    "ALTER USER 'ann' EMAIL 'else@example.org'",
    "ALTER USER u ROLE dba",
    "DROP USER u",
    "DROP USER IF EXISTS u",
    "UNDROP USER u",
    "GRANT SELECT ON t TO u",
    "REVOKE ALL ON t FROM u",
    "CREATE STORAGE s TYPE 'filesystem' URI 'file:///s'",
    "ALTER STORAGE s SET DESCRIPTION 'd'",
    "DROP STORAGE s",
    "CHECK STORAGE s",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "RELEASE SAVEPOINT a",
    "ROLLBACK TO SAVEPOINT a",
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "USE public",
    "SET durability = 'relaxed'",
    "RESET durability",
    "KILL QUERY 'q'",
    "KILL LIVE QUERY 'q'",
    "KILL JOB 'j'",
    "WAIT FOR JOB 'j'",
    "FLUSH TABLE t",
    "FLUSH ALL",
    "COMPACT TABLE t",
    "EVICT TABLE t",
    "SCRUB ALL",
    "BACKUP DATABASE TO 'file:///b'",
    "SHOW BACKUP 'file:///b'",
    "RESTORE DATABASE FROM 'file:///b'",
    "EXECUTE AS USER u (SELECT 1)",
)
ALL = frozenset(typing.get_args(Statement))


def test_every_kind_of_statement_is_decided_here():
    lent = {type(parse(text)) for text in LENT_TEXTS}
    never = {type(parse(text)) for text in NEVER_TEXTS}
    assert not lent & never
    assert lent | never == ALL
    assert lent == LENT


def test_a_kind_of_statement_that_is_new_is_refused():
    """The list names what may be lent, so what is not in it may not."""
    assert LENT < ALL
    refused = ALL - LENT
    assert {kind for kind in ALL if kind.__name__.endswith(("User", "Storage", "Job", "Database", "Rights"))} <= refused
    assert all(hasattr(statements, kind.__name__) or kind in refused | LENT for kind in ALL)
