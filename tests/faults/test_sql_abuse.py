"""SQL that asks for what is not its own: files, the network, the engine's settings, secrets, texts that would end
the process. Refused in one sentence, nothing on disk, and the server answers on.

All of it goes to one server in a process of its own, whose system calls are watched.

Elsewhere: hostile names and filters (test_name_abuse.py); each limit of the guard, its speed, and that nothing hides
from it (tests/sql/test_guard.py); what a statement may be (tests/sql/test_parse*.py). What users may see of each
other: once there are users with rights.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.faults.abused import AS_ROOT, SECRET, abused_server, check_refused, select, tree
from tests.faults.file_calls import file_calls
from tests.sql.guard_texts import CHAINS, HIDING
from tests.support.flight_client import descriptor, packed
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client
from tests.wire.log_ins import call_options


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server runs."""
    return tmp_path_factory.mktemp("abuse")


@pytest.fixture(scope="module")
def server(outside: Path) -> Iterator[ServerProcess]:
    with abused_server(outside) as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with server.connect() as connection:
        yield Client(connection)


# --- 16: files and addresses ------------------------------------------------------------------------------------

SOURCES = (
    "'/etc/passwd'",
    '"/etc/passwd"',
    '"/etc"."passwd"',
    "'secret.parquet'",
    "'./secret.csv'",
    '"secret.parquet"',
    "secret.parquet",
    "secret.csv",
    '"../token.key"',
    "'data/token.key'",
    "'{outside}/secret.parquet'",
    "'file://{outside}/secret.parquet'",
    "'FILE:{outside}/secret.csv'",
    "'http://127.0.0.1:{port}/secret.parquet'",
    '"http://127.0.0.1:{port}"."secret.parquet"',
    "'s3://127.0.0.1:{port}/secret.parquet'",
    "'gs://bucket/secret.parquet'",
    "read_csv('{outside}/secret.csv')",
    "read_parquet('{outside}/secret.parquet')",
    "read_json('{outside}/secret.json')",
    "parquet_scan('{outside}/secret.parquet')",
    "parquet_metadata('{outside}/secret.parquet')",
    "csv_scan('http://127.0.0.1:{port}/secret.csv')",
    "glob('{outside}/*')",
    "TABLE('{outside}/secret.csv')",
    "LATERAL (SELECT * FROM '{outside}/secret.csv')",
)
AROUND = (
    "SELECT * FROM {}",
    "SELECT * FROM t JOIN {} AS s ON true",
    "EXPLAIN ANALYZE SELECT * FROM {}",
    "WITH s AS (SELECT * FROM {}) SELECT * FROM s",
    "CREATE TABLE stolen AS SELECT * FROM {}",
    "CREATE VIEW stolen AS SELECT * FROM {}",
    "INSERT INTO t SELECT * FROM {}",
    "SELECT * FROM t WHERE a IN (SELECT a FROM {})",
)
READING = (
    "SELECT pg_read_file('{outside}/secret.txt')",
    "SELECT lo_import('{outside}/secret.txt')",
    "SELECT load_extension('{outside}/secret.txt')",
    "SELECT read_text('{outside}/secret.txt')",
    "DESCRIBE '{outside}/secret.parquet'",
    'DESCRIBE "secret.parquet"',
    "SHOW CREATE TABLE '{outside}/secret.parquet'",
    "SHOW COLUMNS FROM '{outside}/secret.parquet'",
    "COPY t FROM '{outside}/secret.csv'",
    "LOAD DATA INFILE '{outside}/secret.csv' INTO TABLE t",
    "IMPORT INTO t FROM '{outside}/secret.csv'",
    "ATTACH '{outside}/secret.txt' AS s",
    "INSTALL httpfs",
    "MERGE INTO t USING '{outside}/secret.parquet' s ON t.a = s.a WHEN MATCHED THEN DELETE",
    "UPDATE t SET a = 1 FROM '{outside}/secret.parquet' s",
)


def test_no_statement_opens_a_file_or_a_connection(client: Client, server: ServerProcess, outside: Path):
    before = tree(outside)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = {"outside": outside, "port": listener.getsockname()[1]}
        asked = [around.format(source) for source in SOURCES for around in AROUND]
        with file_calls(server.process.pid, outside.with_suffix(".trace")) as calls:
            for text in (*asked, *READING):
                check_refused(client, text.format(**place))
            client.do("INSERT INTO t VALUES (1, 'x', NULL)")
            client.flush("t")  # so that there is a call to be seen
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    seen = calls()
    assert any(".parquet" in call and "/data/cold/" in call for call in seen), "nothing was watched"
    assert [call for call in seen if "connect(" in call and "AF_INET" in call] == []
    assert [call for call in seen if "passwd" in call or "secret." in call or "token.key" in call] == []
    assert tree(outside) == before


# --- 17: statements that write or leave the guarded way --------------------------------------------------------

STRAYS = (
    "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
    "CREATE UNBOUNDED EXTERNAL TABLE x (a INT) STORED AS PARQUET LOCATION 'out.parquet'",
    "CREATE OR REPLACE EXTERNAL TABLE IF NOT EXISTS x STORED AS JSON LOCATION 's3://b/k'",
    "CREATE FUNCTION f() RETURNS INT LANGUAGE SQL AS 'SELECT 1'",
    "CREATE CATALOG c",
    "CREATE DATABASE d",
    "COPY t TO 'out.csv'",
    "COPY (SELECT 1) TO 'out.parquet' STORED AS PARQUET",
    "COPY t FROM PROGRAM 'touch out.csv'",
    "SELECT * INTO OUTFILE 'out.csv' FROM t",
    "UNLOAD (SELECT 1) TO 'out.csv'",
    "EXPORT DATABASE 'out'",
    "PREPARE p AS COPY t TO 'out.csv'",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "SET datafusion.execution.batch_size = 1",
    "SET datafusion.catalog.information_schema = true",
    "RESET datafusion.execution.batch_size",
)
DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "explained": "EXPLAIN {}".format,
    "explained and run": "EXPLAIN ANALYZE {}".format,
    "explained at length": "EXPLAIN (ANALYZE, VERBOSE) {}".format,
    "twice explained": "EXPLAIN EXPLAIN ANALYZE {}".format,
    "in WITH": "WITH x AS ({}) SELECT * FROM x".format,
    "in brackets": "({})".format,
    "as a table": "SELECT * FROM ({}) AS x".format,
    "in a view": "CREATE VIEW stray AS {}".format,
    "in a table": "CREATE TABLE stray AS {}".format,
    "behind another": "SELECT 1; {}".format,
    "before another": "{}; SELECT 1".format,
    "behind nothing": ";;; {}".format,
    "between comments": "/* SELECT 1 */ {} -- SELECT 1".format,
    "cut by comments": lambda text: text.replace(" ", "/* ' */"),
    "in mixed case": lambda text: "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(text)),
    "cut by lines": lambda text: text.replace(" ", "\r\n\t\f"),
    "behind a byte order mark": "\ufeff{}".format,
    "with no-break blanks": lambda text: text.replace(" ", "\u00a0"),
    "with no-width blanks": lambda text: text.replace(" ", " \u200b"),
    "in full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in text),
    "with a Greek letter": lambda text: text.replace("O", "\u039f").replace("E", "\u0395"),
    "in a string with NUL": "SELECT '\0'; {}".format,
    "turned around": "\u202e{}".format,
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_no_disguise_makes_a_stray_statement_run(client: Client, outside: Path, disguise: Callable[[str], str]):
    before = tree(outside)
    for text in STRAYS:
        check_refused(client, disguise(text))
    assert tree(outside) == before
    assert client.rows("SELECT \"table\" FROM system.tables WHERE \"table\" IN ('x', 'stray')") == []
    assert client.rows("SELECT view FROM (SELECT \"table\" AS view FROM system.tables) v WHERE view = 'stray'") == []


# --- 18: settings and secrets -----------------------------------------------------------------------------------

OTHERWISE = {
    "schema": "'system'",
    "durability": "'relaxed'",
    "compression": "'zstd'",
    "time_zone": "'Asia/Tokyo'",
    "statement_timeout_seconds": "77",
}


def test_what_one_session_sets_no_other_has(client: Client, server: ServerProcess):
    with server.connect() as connection:
        other = Client(connection)
        before = dict(other.rows("SHOW ALL"))
        for name, value in OTHERWISE.items():
            client.do(f"SET {name} = {value}")
        mine = dict(client.rows("SHOW ALL"))
        assert {name for name in mine if mine[name] != before[name]} == set(OTHERWISE)
        assert dict(other.rows("SHOW ALL")) == before
        for name in OTHERWISE:
            client.do(f"RESET {name}")
        assert dict(client.rows("SHOW ALL")) == before
    with server.connect() as connection:
        assert dict(Client(connection).rows("SHOW ALL")) == before


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM information_schema.df_settings",
        "SELECT * FROM information_schema.schemata_privileges",
        "SELECT * FROM datafusion.information_schema.df_settings",
        "SELECT * FROM pg_catalog.pg_shadow",
        "SHOW datafusion.execution.batch_size",
        "SHOW FUNCTIONS",
        "SELECT current_setting('datafusion.execution.batch_size')",
        "SHOW token",
        "SHOW passwords",
    ],
)
def test_what_the_engine_keeps_for_itself_is_not_there(client: Client, text: str):
    check_refused(client, text)


def test_no_table_about_the_server_holds_a_secret(client: Client, server: ServerProcess):
    key = (server.data / "token.key").read_bytes()
    with flight.connect(server.uri) as other:
        _, token = other.authenticate_basic_token("root", server.root_password)
        other.get_flight_info(select("SELECT 1"), call_options(token))
        names = client.rows(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('system', 'information_schema')"
        )
        assert len(names) > 15
        shown = "\n".join(str(client.rows(f"SELECT * FROM {schema}.{table}")) for schema, table in names)
        shown += str(client.rows("SHOW ALL"))
    assert "root" in shown
    assert server.root_password is not None
    secrets = (server.root_password, "$argon2", key.hex(), repr(key), base64.b64encode(key).decode(), SECRET)
    assert [secret for secret in (*secrets, token.decode().split(".")[-1]) if secret in shown] == []


# --- 20: texts that would end the process -----------------------------------------------------------------------

SIZES = (1, 10, 30, 100, 450, 1_000, 10_000, 200_000)


def check_answered(server: ServerProcess, logged_in: flight.FlightClient, text: str) -> str:
    """Planned, or refused by an SQLSTATE that is the text's fault: that one, or nothing."""
    told = ""
    try:
        logged_in.get_flight_info(select(text), AS_ROOT)
    except pa.ArrowException as error:
        told = str(error)
    assert server.process.poll() is None, "the server died"
    assert not told or told[1:3] in ("42", "54", "22", "0A"), told[:500]
    return told[1:6]


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_any_length_is_planned_or_refused(client: Client, server: ServerProcess, name: str):
    with flight.connect(server.uri) as logged_in:
        told = [check_answered(server, logged_in, CHAINS[name](size)) for size in SIZES]
    assert told[-1] == "54001", told
    assert client.value("SELECT 1") == 1


@pytest.mark.parametrize("text", HIDING.values(), ids=HIDING)
def test_a_chain_that_hides_is_refused(server: ServerProcess, text: str):
    with flight.connect(server.uri) as logged_in:
        assert check_answered(server, logged_in, text)


SENDINGS: dict[str, Callable[[flight.FlightClient, str], object]] = {
    "GetFlightInfo": lambda c, text: c.get_flight_info(select(text), AS_ROOT),
    "GetSchema": lambda c, text: c.get_schema(select(text), AS_ROOT),
    "DoPut": lambda c, text: put_update(c, text),
    "DoAction": lambda c, text: list(c.do_action(prepare(text), AS_ROOT)),
}


def put_update(logged_in: flight.FlightClient, text: str) -> bytes:
    writer, reader = logged_in.do_put(descriptor(pb.CommandStatementUpdate(query=text)), pa.schema([]), AS_ROOT)
    try:
        return reader.read().to_pybytes()
    finally:
        writer.close()


def prepare(text: str) -> flight.Action:
    request = packed(pb.ActionCreatePreparedStatementRequest(query=text))
    return flight.Action("CreatePreparedStatement", request)


@pytest.mark.parametrize("send", SENDINGS.values(), ids=SENDINGS)
@pytest.mark.parametrize("megabytes", [2, 50])
def test_a_huge_text_is_refused_whatever_it_comes_with(server: ServerProcess, send, megabytes: int):
    with flight.connect(server.uri) as logged_in:
        for text in ("SELECT 1 -- " + "x" * (megabytes << 20), "(" * (megabytes << 20)):
            with pytest.raises(pa.ArrowInvalid, match=r"^\[5400[01]\] "):
                send(logged_in, text)
        assert check_answered(server, logged_in, "SELECT 1") == ""
