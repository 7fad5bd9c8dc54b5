"""DataFusion's words as our errors."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from flight_server.query.errors.mapping import clean, query_error
from storage.errors import Corruption, FrostlineError, InvalidRequest, LimitExceeded, NotFound, NotSupported
from tests.support.query_database import NOW_MS, Database, column, seq_at

CASES = [
    ("SELECT nope FROM t", InvalidRequest, "42703", "column nope does not exist"),
    ("SELECT t.nope FROM t", InvalidRequest, "42703", "column t.nope does not exist"),
    ('SELECT "ID" FROM t', InvalidRequest, "42703", "did you mean t.id?"),
    ("SELECT id FROM t a, t b", InvalidRequest, "42702", "ambiguous"),
    ("SELECT * FROM nope", NotFound, "42P01", "table 'public.nope' does not exist"),
    (
        "SELECT arrow_cast('10:00:00', 'Time64(Nanosecond)') = TIME '10:00:00'",
        InvalidRequest,
        "42804",
        "times of different precision can't be compared",
    ),
    ("SELEC 1", InvalidRequest, "42601", "syntax error: Expected: an SQL statement, found: SELEC"),
    ("SELECT * FROM t WHERE", InvalidRequest, "42601", "syntax error"),
    ("SELECT 1; SELECT 2", InvalidRequest, "42601", "one statement"),
    ("-- nothing", InvalidRequest, "42601", "empty"),
    ("SELECT 1/0", InvalidRequest, "22012", "division by zero"),
    ("SELECT id/(id-1) FROM t", InvalidRequest, "22012", "division by zero"),
    ("SELECT CAST('x' AS INT)", InvalidRequest, "22P02", "Cannot cast string 'x' to value of Int32 type"),
    ("SELECT CAST(s AS INT) FROM t", InvalidRequest, "22P02", "Cannot cast string 'a'"),
    ("SELECT DATE 'x'", InvalidRequest, "22P02", "Cannot cast string 'x' to value of Date32 type"),
    ("SELECT to_timestamp('zzz')", InvalidRequest, "22P02", "'zzz'"),
    ("SELECT CAST(300 AS TINYINT)", InvalidRequest, "22003", "300"),
    ("SELECT 1.5::decimal(2,2)", InvalidRequest, "22003", "too large"),
    ("SELECT nofn(1)", InvalidRequest, "42883", "there is no function 'nofn'"),
    ("SELECT abs()", InvalidRequest, "42883", "no function matches abs()"),
    ("SELECT sum(s) FROM t", InvalidRequest, "42883", "no function matches sum(Utf8)"),
    ("SELECT * FROM nofn(1)", InvalidRequest, "42883", "there is no table function 'nofn'"),
    ("SELECT s FROM t GROUP BY id", InvalidRequest, "42803", "GROUP BY"),
    ("SELECT * FROM t WHERE id", InvalidRequest, "42804", "non-boolean"),
    ("SELECT 'a' + 1", InvalidRequest, "42804", "Cannot coerce"),
    ("SELECT (SELECT id FROM t)", InvalidRequest, "21000", "more than one row"),
    ("INSERT INTO t VALUES (1, 'x')", NotSupported, "0A000", "Insert"),
    ("CREATE TABLE x (a INT)", NotSupported, "0A000", "can't be used here"),
    ("COPY (SELECT 1) TO '/tmp/frostline-test.csv'", NotSupported, "0A000", "can't be used here"),
    ("SET a = 1", NotSupported, "0A000", "can't be used here"),
    ("SELECT * FROM '/etc/passwd'", NotFound, "42P01", "files can't be read as tables"),
    ("SELECT id FROM t UNION SELECT id, s FROM t", InvalidRequest, "42601", "different number of columns"),
    ("SELECT * FROM t ORDER BY 5", InvalidRequest, "42000", "out of bounds"),
    ("SELECT sqrt(-1)", InvalidRequest, "22000", "square root"),
]


@pytest.fixture
def t(db: Database) -> None:
    table = db.table("t", column("id", pa.int64()), column("s", pa.string()))
    db.hot(table, [seq_at(NOW_MS, i) for i in range(2)], id=[1, 2], s=["a", "b"])


@pytest.mark.parametrize(("sql", "kind", "sqlstate", "words"), CASES, ids=[case[0] for case in CASES])
def test_statements_fail_with_a_clean_sentence(
    db: Database, t: None, sql: str, kind: type[FrostlineError], sqlstate: str, words: str
):
    with pytest.raises(FrostlineError) as caught:
        db.rows(sql)
    error = caught.value
    assert (type(error), error.sqlstate) == (kind, sqlstate), error.message
    assert words.lower() in error.message.lower()
    for noise in ("DataFusion", "Arrow error", "Error during planning", "caused by", "\n", "github", "ParserError"):
        assert noise not in error.message


@pytest.mark.parametrize("damage", ["missing", "cut short", "swapped bytes", "one bit"])
def test_a_damaged_cold_file_is_corruption_and_tells_no_directory(db: Database, damage: str):
    table = db.table("t", column("id", pa.int64()))
    file = db.file(table, [seq_at(NOW_MS)], id=[1])
    path = db.cold / file.path
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"cut short": content[:-1], "swapped bytes": content[::-1], "one bit": flipped}[damage])
    with pytest.raises(Corruption, match=r"table 'public.t' can't be read: cold file \d+.parquet") as caught:
        db.rows("SELECT * FROM t")
    assert "/" not in caught.value.message


def test_a_file_lost_while_its_scan_is_kept_is_corruption_too(db: Database):
    table = db.table("t", column("id", pa.int64()))
    file = db.file(table, [seq_at(NOW_MS)], id=[1])
    assert db.rows("SELECT count(*) FROM t") == [(1,)]
    (db.cold / file.path).unlink()
    with pytest.raises(Corruption, match=r"cold file \d+.parquet is missing"):
        db.rows("SELECT count(*) FROM t")


def test_explain_tells_no_directories(db: Database):
    table = db.table("t", column("id", pa.int64()))
    file = db.file(table, [seq_at(NOW_MS)], id=[1])
    shown = db.rows("EXPLAIN SELECT * FROM t")[1][1]
    assert f"[[{file.path}]]" in shown
    assert str(db.cold).strip("/") not in shown


def test_running_out_of_memory_is_a_limit(db: Database):
    with pytest.raises(LimitExceeded) as caught:
        db.rows("SELECT array_length(array_agg(value || repeat('x', 100))) FROM generate_series(1, 3000000)")
    assert caught.value.sqlstate == "53200"


def test_our_own_errors_pass_unchanged():
    error = NotFound("x")
    assert query_error(error) is error


def test_defects_of_ours_are_not_told_as_the_users_mistakes():
    error = query_error(IndexError("list index out of range"))
    assert error.sqlstate == "XX000"
    assert "index" not in error.message


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("DataFusion error: Arrow error: Cast error: bad", "bad"),
        ("Error during planning: a\nb.", "a b"),
        ("can't open /var/lib/frostline/cold/3.parquet now", "can't open (a file) now"),
        ("3/4 is not 4/3", "3/4 is not 4/3"),
        ("x" * 2000, "x" * 600),
        ("", "the statement failed"),
    ],
)
def test_cleaning(message: str, expected: str):
    assert clean(message) == expected


@pytest.mark.parametrize("long", ["x" * 10**6, "x." * 500_000, "a/b" * 300_000, "No field named a. " * 50_000])
def test_a_name_as_long_as_a_statement_is_no_work_to_speak_of(long: str):
    """It took the square of its length: five seconds for 50,000 characters."""
    begun = time.process_time()
    for message in (f"Schema error: No field named {long}.", f"table 'frostline.public.{long}' not found", long):
        assert len(query_error(ValueError(message)).message) <= 600
    assert time.process_time() - begun < 2
