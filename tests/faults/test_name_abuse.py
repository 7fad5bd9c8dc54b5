"""Names that are paths, SQL or nothing, and filters that would be SQL if somebody made SQL of them.

Elsewhere: the rule for names (tests/storage/test_names.py), what a pattern matches (tests/metadata/test_filters.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flight_server.wire import flight_sql_pb2 as pb
from storage.catalog.folder_templates import portable_folder_name
from storage.catalog.names import checked_new_namespace
from storage.errors import InvalidRequest
from tests.faults.abused import AS_ROOT, abused_server, answer, check_refused, quoted, tree
from tests.support.flight_client import descriptor
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused


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


# --- 19: names that are paths, SQL or nothing -------------------------------------------------------------------

NO_NAMES = ("_seq", "", "x" * 65, "x" * 300, "a\nb", "a\0b", "\u202etxet", "\x1b[2J", "_frostline_rows_t")
ODD_NAMES = (
    *(
        "../x",
        "..",
        ".",
        "a/b",
        "/etc/x",
        "a\\b",
        "C:\\x",
        "x.parquet",
        "token.key",
        "manifest.json",
        "-x",
        "~",
        "$HOME",
    ),
    *("$HOME", " ", "{namespace}", "{name}/../..", "%2e%2e", "..%2fx", "t@v0", "t@v99999999999999999999", "t@rows"),
    *('"; DROP TABLE t; --', "t'; DROP TABLE t; --", "\u00e9", "\uff0e\uff0e\uff0fx", "\U0001f600", "a\u200bb"),
)
NAMED = (
    "CREATE TABLE {} (a INT)",
    "CREATE TABLE public.{} AS SELECT 1 AS a",
    "CREATE TABLE {}.named (a INT)",
    "CREATE NAMESPACE {}",
    "CREATE VIEW {} AS SELECT 1 AS a",
    "ALTER TABLE t RENAME TO {}",
    "INSERT INTO {} VALUES (1)",
    "SELECT * FROM {}",
    "SELECT * FROM {}.t",
    "FLUSH TABLE {}",
    "DROP TABLE {}",
    "USE {}",
    "CREATE TABLE options (a INT) WITH (flush_policy = {text})",
    "CREATE TABLE options (a INT) WITH (path = {text})",
    "CREATE TABLE options (a INT) WITH (cold_path = {text})",
    "SET schema = {text}",
    "KILL QUERY {text}",
    "WAIT FOR JOB {text}",
)


def try_name(client: Client, name: str) -> None:
    """Every way to say a name: none may be taken, for none of them is one."""
    for named in NAMED:
        literal = "'" + name.replace("'", "''") + "'"
        check_refused(client, named.format(quoted(name), text=literal))
    for options in ({"table": name}, {"table": "ingested", "db_schema_name": name}):
        if options.get("db_schema_name") != "" and "\0" not in name:  # which stand for none, and for the end
            with pytest.raises(Refused):
                client.ingest(data=pa.table({"a": [1]}), **options)


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_a_name_that_is_none_is_refused_and_no_file_gets_it(client: Client, outside: Path, name: str):
    before = tree(outside)
    tables = client.rows('SELECT namespace, "table" FROM system.tables')
    try_name(client, name)
    assert client.rows('SELECT namespace, "table" FROM system.tables') == tables
    assert tree(outside) == before


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_a_name_that_looks_like_a_path_or_like_sql_is_only_a_name(client: Client, outside: Path, name: str):
    before = tree(outside)
    tables = client.rows('SELECT namespace, "table" FROM system.tables')
    try_as_name(client, outside, name)
    assert client.rows('SELECT namespace, "table" FROM system.tables') == tables
    assert tree(outside) == before


def try_as_name(client: Client, outside: Path, name: str) -> None:
    """A namespace, a table, a column and a file of this name."""
    full = f"{quoted(name)}.{quoted(name)}"
    client.do(f"CREATE NAMESPACE {quoted(name)}")
    try:
        client.do(f"CREATE TABLE {full} AS SELECT 1 AS {quoted(name)}")
        client.flush(full)
        assert client.value(f"SELECT {quoted(name)} FROM {full}") == 1
        folder = portable_folder_name(name)
        assert (outside / "data/cold" / folder / folder).is_dir()
    finally:
        client.do(f"DROP NAMESPACE {quoted(name)} CASCADE")
    assert {path for path in (outside / "data").rglob("*") if outside / "data" not in path.resolve().parents} == set()


@given(name=st.text(st.characters(codec="utf-8"), max_size=80))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_name_or_refused(client: Client, outside: Path, name: str):
    before = tree(outside)
    if answer(client.do, f"CREATE NAMESPACE {quoted(name)}"):
        with pytest.raises(InvalidRequest):
            checked_new_namespace(name)
    else:
        client.do(f"DROP NAMESPACE {quoted(name)}")
        try_as_name(client, outside, name)
    assert tree(outside) == before


# --- 22: filters of metadata ------------------------------------------------------------------------------------

TABLES = ("orders", "order_items", "orderXitems", "Orders", "o", "percent")
PATTERNS = (
    *("%", "_", "", "orders", "ORDERS", "order_items", "order\\_items", "order%", "%s", "o%r_", "\\%", "\\", "%\\"),
    *("' OR 1=1 --", "%'; DROP TABLE orders; --", '"orders"', "orders' UNION SELECT 'x", "[o]rders", "(orders|o)"),
    *("order.*", "^orders$", "%\0%", "\U0001f600", "%" * 1_000_000, "_" * 1_000_000, "o" * 1_000_000),
)


def means(pattern: str, name: str) -> bool:
    """LIKE, said once more and otherwise."""
    if pattern.replace("%", "") == "":
        return bool(pattern)
    parts = re.findall(r"\\.|[^\\]|\\", pattern[:100], re.DOTALL)
    meaning = {"%": ".*", "_": "."}
    found = "".join(meaning.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(found, name, re.DOTALL) is not None


def meant(pattern: str, names: Iterable[str]) -> list[str]:
    """Capitals that fit no name are taken without regard to case."""
    found = sorted(name for name in names if means(pattern, name))
    if found or not pattern.isupper():
        return found
    return sorted(name for name in names if means(pattern.lower(), name.lower()))


@pytest.fixture(scope="module")
def filtered(server: ServerProcess) -> Iterator[flight.FlightClient]:
    with server.connect() as connection:
        made = Client(connection)
        for namespace in ("shop", "sh_p"):
            made.do(f"CREATE NAMESPACE {namespace}")
            for table in TABLES:
                made.do(f"CREATE TABLE {namespace}.{quoted(table)} (a INT PRIMARY KEY)")
    with flight.connect(server.uri) as opened:
        yield opened


def metadata(filtered: flight.FlightClient, command: Message) -> list[dict[str, object]]:
    [endpoint] = filtered.get_flight_info(descriptor(command), AS_ROOT).endpoints
    return filtered.do_get(endpoint.ticket, AS_ROOT).read_all().to_pylist()


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: ascii(pattern[:30]))
def test_a_filter_means_what_like_means(filtered: flight.FlightClient, pattern: str):
    sent = pattern or None
    found = metadata(filtered, pb.CommandGetTables(db_schema_filter_pattern="sh%p", table_name_filter_pattern=pattern))
    names = [(row["db_schema_name"], row["table_name"]) for row in found]
    wanted = [(space, table) for space in ("sh_p", "shop") for table in meant(pattern, TABLES)]
    assert names == wanted
    spaces = [
        row["db_schema_name"] for row in metadata(filtered, pb.CommandGetDbSchemas(db_schema_filter_pattern=sent))
    ]
    assert {"shop", "sh_p"} & set(spaces) == {name for name in ("shop", "sh_p") if sent is None or means(pattern, name)}
    exact = metadata(filtered, pb.CommandGetPrimaryKeys(db_schema="shop", table=pattern))
    exactly = [pattern] if pattern in TABLES else []
    in_capitals = [name for name in sorted(TABLES) if pattern.isupper() and name.upper() == pattern]
    assert [row["table_name"] for row in exact] == (exactly or in_capitals)


@pytest.mark.parametrize(
    "pattern", [pattern for pattern in PATTERNS if "\0" not in pattern], ids=lambda p: ascii(p[:30])
)
def test_adbc_finds_the_same(client: Client, filtered: flight.FlightClient, pattern: str):
    found = client.connection.adbc_get_objects(
        depth="tables", catalog_filter="frostline", db_schema_filter="shop", table_name_filter=pattern
    ).read_all()
    tables = [
        table["table_name"]
        for catalog in found.to_pylist()
        for schema in catalog["catalog_db_schemas"] or ()
        for table in schema["db_schema_tables"] or ()
    ]
    assert tables == meant(pattern, TABLES)
