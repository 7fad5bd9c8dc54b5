"""The corpus, damaged anew as long as the share lasts: messages, texts and uploads.

What is found is written into the corpus (tests/faults/corpus), which is replayed in each run of the short tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from flight_server.access.sessions.session import Session
from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.guard.check import check_text
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.sql_text import SqlText, split_statements
from flight_server.sql.interface.request import Request
from flight_server.wire.actions import ACTIONS, decode_action
from flight_server.wire.commands import decode_descriptor, decode_ticket
from flight_server.wire.handles import HandleKind, HandleSigner
from storage.clock import ManualClock
from storage.errors import FrostlineError
from tests.faults.fuzzing import corpus, damaged, damaged_upload, keep, unpacked
from tests.faults.long.conftest import Shift
from tests.faults.upload_targets import GOOD, WORDS, Target, check_survived
from tests.sql.guard_texts import PASSING
from tests.sql_end_to_end.carriers import CARRIERS
from tests.sql_end_to_end.number_statements import STATEMENTS
from tests.support.in_process import House, house
from tests.support.server_process import ServerProcess

WORKING = (
    "SELECT s, count(*), sum(f) OVER (PARTITION BY s ORDER BY id ROWS 2 PRECEDING) FROM t GROUP BY s, f, id",
    "WITH a AS (SELECT id, f FROM t) SELECT * FROM a LEFT JOIN t b ON a.id = b.id AND b.f > 0.5 ORDER BY 1 LIMIT 3",
    "SELECT to_char(TIMESTAMP '2026-01-31 12:00:00', 'YYYY-MM-DD HH24:MI'), date_trunc('month', DATE '2026-01-31')",
    "SELECT regexp_replace(s, '(a|b)+', '[$1]', 'g'), split_part(s, 'a', 1), array_sort([3, 1, 2], 'DESC') FROM t",
    "INSERT INTO t (id, s) VALUES (7, 'x') ON CONFLICT (id) DO UPDATE SET s = excluded.s RETURNING id, s",
    "MERGE INTO t USING (SELECT 1 AS id) m ON t.id = m.id WHEN MATCHED THEN UPDATE SET f = 2",
    "SELECT CAST('2026-01-31' AS DATE) + INTERVAL '1 month', extract(epoch FROM TIMESTAMP '2026-01-31')",
    "CREATE TABLE n (a BIGINT PRIMARY KEY, b DECIMAL(10, 2) DEFAULT 1.5 NOT NULL, c TEXT[]) WITH (retention = '7d')",
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS g VARCHAR(10) DEFAULT 'x'; ALTER TABLE t DROP COLUMN g",
    "SELECT * FROM t AS OF VERSION 12 WHERE (id, s) IN (SELECT id, s FROM t)",
    "SELECT approx_percentile_cont(f, 0.5), string_agg(s, ',' ORDER BY id), array_agg(DISTINCT s) FROM t",
    "CREATE OR REPLACE VIEW w AS SELECT id + 1 AS i, CASE WHEN f IS NULL THEN 'n' ELSE s || 'x' END AS c FROM t",
    "CREATE USER 'ann' WITH PASSWORD 'long enough' ROLE user; GRANT SELECT ON t TO 'ann'; SHOW GRANTS FOR 'ann'",
    "SELECT {'a': 1, 'b': [1, 2]}['b'][1], MAP {'k': 1}['k'], named_struct('x', 1).x, X'00ff', E'\\x41'",
    "SELECT * FROM information_schema.columns WHERE table_name LIKE 't%' ESCAPE '\\' ORDER BY ordinal_position",
    "SELECT * FROM system.queries; EXPLAIN SELECT 1; DESCRIBE t; SHOW CREATE TABLE t; SET time_zone = 'Europe/Berlin'",
    "BEGIN; UPDATE t SET f = f * 2 WHERE id BETWEEN 1 AND 3; SAVEPOINT a; ROLLBACK TO a; COMMIT",
)
KINDS = (HandleKind.RESULT, HandleKind.PREPARED)


@contextmanager
def kept(kind: str, data: bytes) -> Iterator[None]:
    """Our own errors are fine; anything else goes into the corpus."""
    try:
        with suppress(FrostlineError):
            yield
    except BaseException:
        print(f"kept as {keep(kind, data)}")
        raise


@pytest.mark.long(weight=0.3)
def test_damaged_messages_give_our_errors_or_a_value(shift: Shift):
    random, sources = shift.random, [path.read_bytes() for path in corpus("messages")]
    signer = HandleSigner.with_random_key(ManualClock())
    for _ in shift.rounds(at_least=3000):
        data = damaged(random, random.choice(sources) + b" ")
        with kept("messages", data):
            decode_descriptor(data)
        with kept("messages", data):
            decode_ticket(data)
        with kept("messages", data):
            decode_action(random.choice(ACTIONS), data)
        handle = signer.issue(random.choice(KINDS), "root", 60)[0]
        changed = damaged(random, handle)
        if changed != handle:
            with pytest.raises(FrostlineError):
                signer.open(HandleKind(handle[0]), "root", changed)


@pytest.mark.long(weight=0.3)
def test_damaged_texts_give_our_errors_or_statements(shift: Shift):
    random, sources = shift.random, [path.read_bytes() for path in corpus("texts")]
    sources += [text[:3000].encode() for text in PASSING.values()]
    for _ in shift.rounds(at_least=500):
        data = damaged(random, random.choice(sources))
        text = data.decode(errors=random.choice(("replace", "surrogateescape")))
        with kept("texts", data):
            check_text(text, GuardLimits())
            for statement in split_statements(number_parameters(SqlText(text)).text):
                parse_statement(statement)


@pytest.mark.long(weight=0.3)
def test_damaged_texts_run_without_a_defect(tmp_path: Path, shift: Shift):
    """Whatever is left of a text that ran: rows, or an error that is the client's."""
    random = shift.random
    sources = [text.encode() for text in (*CARRIERS, *STATEMENTS, *WORKING) if "BACKUP" not in text]
    with house(tmp_path) as h:
        session = h.enter()
        h.do(session, "CREATE TABLE t (id INT PRIMARY KEY, s TEXT, f DOUBLE); INSERT INTO t VALUES (1, 'a', 1.5)")
        for _ in shift.rounds(at_least=300):
            data = damaged(random, random.choice(sources))
            with kept("texts", data):
                failed = _sqlstate(h, session, data.decode(errors="replace"))
                assert failed is None or failed[:2] not in ("XX", "58"), data


def _sqlstate(h: House, session: Session, text: str) -> str | None:
    try:
        for statement in split_statements(SqlText(text)):
            h.statements.run(Request(session, statement.sql)).start()
    except FrostlineError as error:
        return error.sqlstate
    return None


@pytest.mark.long
def test_damaged_uploads_are_survived(tmp_path: Path, shift: Shift):
    random = shift.random
    sources = [GOOD, WORDS, *(unpacked(path.read_bytes()) for path in corpus("uploads"))]
    with ServerProcess(tmp_path / "data") as process:
        target = Target(process)
        for _ in shift.rounds(at_least=1000):
            upload = random.choice([source for source in sources if source])
            check_survived(target, damaged_upload(random, upload))
        assert process.stop() == 0
        assert [event for event in process.events if event["event"] == "internal_error"] == []
