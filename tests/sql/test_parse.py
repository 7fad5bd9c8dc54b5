"""Queries, looking around, sessions, transactions and jobs; what no statement looks like."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.parser.statements.backups import BackupDatabase, RestoreDatabase, ShowBackup
from flight_server.parser.statements.jobs import CompactTable, FlushTable, KillJob, Scrub, WaitForJob
from flight_server.parser.statements.session import (
    Describe,
    DescribeQuery,
    KillQuery,
    SetVariable,
    Show,
    ShowKind,
    TransactionAction,
    TransactionControl,
    Use,
)
from flight_server.parser.statements.statement import Query, Statement
from flight_server.parser.statements.table_ref import TableRef
from storage.errors import FrostlineError, InvalidRequest, NotSupported
from tests.sql.tricky_texts import TRICKY
from tests.support.parsed import parse

T = TableRef(None, "t")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "select * from t where a = 'x' order by 1",
        "(SELECT 1) UNION (SELECT 2)",
        "VALUES (1), (2)",
        "WITH a AS (SELECT 1), b (x) AS (SELECT 2) SELECT * FROM a, b",
        "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 2 FROM a) SELECT * FROM a",
        "WITH a AS (SELECT 1) (SELECT * FROM a)",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE VERBOSE SELECT 1",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT 1",
        "EXPLAIN (SELECT 1)",
        "EXPLAIN FORMAT TREE WITH a AS (SELECT 1) SELECT * FROM a",
    ],
)
def test_a_query_is_left_as_it_is(text: str) -> None:
    assert parse(text) == Query(text)
    assert parse(f"-- before\n{text} /* after */ ; ") == Query(text)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("TABLE n.t ORDER BY a LIMIT 3", "SELECT * FROM n.t ORDER BY a LIMIT 3"),
        ("WITH a AS (SELECT 1) TABLE a", "WITH a AS (SELECT 1) SELECT * FROM a"),
        ("EXPLAIN TABLE t", "EXPLAIN SELECT * FROM t"),
        ("SELECT 1 -- one\n + 2", "SELECT 1         + 2"),
    ],
)
def test_what_the_engine_does_not_read_is_written_out(text: str, sql: str) -> None:
    assert parse(text) == Query(sql)


@pytest.mark.parametrize("sql", ["SELECT 1", "(SELECT 1)", "WITH q AS (SELECT 1) SELECT * FROM q", "VALUES (1)"])
def test_describe_of_a_query_is_no_describe_of_a_table(sql: str) -> None:
    assert parse(f"DESCRIBE {sql}") == DescribeQuery(sql)
    assert parse(f"desc {sql};") == DescribeQuery(sql)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SHOW NAMESPACES", Show(ShowKind.NAMESPACES)),
        ("SHOW SCHEMAS", Show(ShowKind.NAMESPACES)),
        ("SHOW TABLES", Show(ShowKind.TABLES)),
        ("SHOW TABLES IN N", Show(ShowKind.TABLES, in_namespace="n")),
        ("SHOW TABLES FROM frostline.system", Show(ShowKind.TABLES, in_namespace="system")),
        ("SHOW COLUMNS FROM n.t", Show(ShowKind.COLUMNS, TableRef("n", "t"))),
        ("SHOW STATS FOR TABLE t", Show(ShowKind.STATS, T)),
        ("SHOW CREATE TABLE t", Show(ShowKind.CREATE_TABLE, T)),
        ("SHOW ALL", Show(ShowKind.ALL)),
        ("SHOW Durability", Show(ShowKind.VARIABLE, variable="durability")),
        ("SHOW TIME ZONE", Show(ShowKind.VARIABLE, variable="timezone")),
        ("SHOW a.b", Show(ShowKind.VARIABLE, variable="a.b")),
        ("DESCRIBE system.jobs", Describe(TableRef("system", "jobs"), False)),
        ("DESC TABLE t HISTORY", Describe(T, True)),
        ("USE n", Use("n")),
        ("USE frostline.n", Use("n")),
        ("USE NAMESPACE n", Use("n")),
        ("SET durability = 'relaxed'", SetVariable("durability", "relaxed")),
        ("SET durability TO relaxed", SetVariable("durability", "relaxed")),
        ("SET SESSION x = -5", SetVariable("x", "-5")),
        ("SET x = ON", SetVariable("x", "ON")),
        ("SET other_path TO a, b", SetVariable("other_path", "a, b")),
        ("SET x TO DEFAULT", SetVariable("x", None)),
        ("SET TIME ZONE 'Europe/Paris'", SetVariable("timezone", "Europe/Paris")),
        ("SET TIME ZONE LOCAL", SetVariable("timezone", None)),
        ("SET timezone = 'UTC'", SetVariable("timezone", "UTC")),
        ("RESET x", SetVariable("x", None)),
        ("BEGIN", TransactionControl(TransactionAction.BEGIN)),
        ("BEGIN TRANSACTION", TransactionControl(TransactionAction.BEGIN)),
        ("START TRANSACTION READ WRITE, ISOLATION LEVEL SNAPSHOT", TransactionControl(TransactionAction.BEGIN)),
        ("COMMIT", TransactionControl(TransactionAction.COMMIT)),
        ("END WORK", TransactionControl(TransactionAction.COMMIT)),
        ("ROLLBACK", TransactionControl(TransactionAction.ROLLBACK)),
        ("ABORT", TransactionControl(TransactionAction.ROLLBACK)),
        ("SAVEPOINT A", TransactionControl(TransactionAction.SAVEPOINT, "a")),
        ("RELEASE SAVEPOINT a", TransactionControl(TransactionAction.RELEASE, "a")),
        ("RELEASE a", TransactionControl(TransactionAction.RELEASE, "a")),
        ('ROLLBACK TO SAVEPOINT "A b"', TransactionControl(TransactionAction.ROLLBACK_TO, "A b")),
        ("ROLLBACK TRANSACTION TO a", TransactionControl(TransactionAction.ROLLBACK_TO, "a")),
        ("FLUSH TABLE t", FlushTable(T)),
        ("FLUSH ALL", FlushTable(None)),
        ("FLUSH ALL TABLES IN n", FlushTable(None, "n")),
        ("COMPACT TABLE n.t", CompactTable(TableRef("n", "t"))),
        ("SCRUB TABLE n.t", Scrub(TableRef("n", "t"))),
        ("SCRUB ALL", Scrub(None)),
        ("BACKUP DATABASE TO 'file:///b'", BackupDatabase("file:///b")),
        ("SHOW BACKUP 'file:///b'", ShowBackup("file:///b")),
        ("RESTORE DATABASE FROM 'file:///b'", RestoreDatabase("file:///b")),
        ("RESTORE DATABASE FROM 'file:///b' BACKUP 'x'", RestoreDatabase("file:///b", "x")),
        ("KILL JOB 'FL-1'", KillJob("FL-1")),
        ("WAIT FOR JOB 'FL-1'", WaitForJob("FL-1")),
        ("KILL QUERY 'q'", KillQuery("q")),
    ],
)
def test_a_statement_is_read(text: str, expected: Statement) -> None:
    assert parse(text) == expected
    if "," not in text and '"' not in text:
        assert parse(text.replace(" ", " /* c */ -- d\n ") + ";") == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("COPY t TO 'x'", "COPY"),
        ("copy (SELECT 1) to 'x'", "COPY"),
        ("LOAD 'x'", "LOAD"),
        ("INSTALL x", "INSTALL"),
        ("ATTACH 'x'", "ATTACH"),
        ("PREPARE p AS SELECT 1", "PREPARE"),
        ("EXECUTE p", "EXECUTE"),
        ("DEALLOCATE p", "DEALLOCATE"),
        ("VACUUM", "VACUUM"),
        ("PRAGMA x", "PRAGMA"),
        ("EXPLAIN INSERT INTO t VALUES (1)", "EXPLAIN of INSERT"),
        ("EXPLAIN ANALYZE COPY t TO 'x'", "EXPLAIN of COPY"),
        ("EXPLAIN CREATE EXTERNAL TABLE t", "EXPLAIN of CREATE"),
        ("EXPLAIN EXPLAIN SELECT 1", "EXPLAIN of EXPLAIN"),
        ("EXPLAIN WITH a AS (SELECT 1) DELETE FROM t", "EXPLAIN of DELETE"),
        ("SET LOCAL x = 1", "SET LOCAL"),
        ("RESET ALL", "RESET ALL"),
        ("BEGIN READ ONLY", "a READ ONLY transaction"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "ISOLATION LEVEL SERIALIZABLE"),
        ("COMMIT AND CHAIN", "COMMIT AND CHAIN"),
        ("COMPACT ALL", "COMPACT ALL"),
    ],
)
def test_a_refused_statement_is_named(text: str, name: str) -> None:
    with pytest.raises(NotSupported, match=f"^{name} is not supported"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no SQL statement"),
        (" ; ", "no SQL statement"),
        ("-- nothing", "no SQL statement"),
        ("FOO bar", "position 1: expected the first word of a statement.*found FOO"),
        ("\ufeffSELECT 1", "position 1"),
        ("'SELECT 1'", "position 1"),
        ("SELECT 1; SELECT 2", "position 9: expected the end of the statement, found ;"),
        ("SELECT (1", "position 8: no \\) ends what begins here"),
        ("SELECT 1)", "position 9: expected the end of the statement, found \\)"),
        ("SELECT (1]", "position 10: expected \\), found \\]"),
        ("EXPLAIN", "expected a query to explain"),
        ("WITH a AS (SELECT 1)", "expected a query"),
        ("SHOW", "expected the name of a setting"),
        ("SHOW TABLES x", "position 13: expected the end of the statement, found x"),
        ("SET x", "expected = or TO"),
        ("SET x = (1)", "expected a string, a number or a word"),
        ("DESCRIBE", "expected the name of a table"),
        ("USE frostline.a.b", "too many parts"),
        ("SELECT a AS _frostline1", "names that begin with _frostline are the server's own"),
        ('SELECT * FROM "_Frostline_rows_t"', "names that begin with _frostline are the server's own"),
        ("KILL JOB 5", "expected the job's id as a string"),
        ("FLUSH t", "expected TABLE or ALL"),
        ("WAIT 5", "expected FOR"),
        ("COMMIT now", "expected the end of the statement, found now"),
    ],
)
def test_what_is_no_statement_is_refused_by_its_position(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse(text)


STARTS = (
    "SELECT,INSERT INTO t,INSERT INTO t VALUES,UPDATE t SET,DELETE FROM t WHERE,MERGE INTO t USING,CREATE TABLE t,"
    "CREATE VIEW v AS,ALTER TABLE t,DROP,SHOW,SET,EXPLAIN,WITH a AS,BEGIN,COMMENT ON,FLUSH,TABLE,"
)
WORDS = (
    "( ) [ ] { } , ; . * = + - :: a t x.y \"Q\" 'str' 1 2.5 $1 ? AS OF VERSION TIMESTAMP FOR SYSTEM_TIME ON CONFLICT "
    "DO UPDATE SET NOTHING WHEN MATCHED NOT THEN CASE END DELETE INSERT VALUES DEFAULT NULL PRIMARY KEY INT STRUCT < > "
    "ADD COLUMN TYPE RENAME TO IF EXISTS SELECT FROM WHERE RETURNING UNION LIMIT WITH IS IN JOIN USING"
)
_STARTS = st.sampled_from(STARTS.split(","))
_WORDS = st.lists(st.sampled_from(WORDS.split()), max_size=12).map(" ".join)


@given(_STARTS, st.one_of(_WORDS, TRICKY))
@settings(max_examples=600, deadline=None)
def test_any_text_is_a_statement_or_a_refusal(start: str, rest: str) -> None:
    try:
        parse(f"{start} {rest}")
    except FrostlineError as error:
        refusal = error
    else:
        return
    assert refusal.sqlstate[:2] in ("42", "22", "0A")
