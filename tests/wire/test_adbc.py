"""The ADBC driver against the service, as a user's program drives it."""

from __future__ import annotations

import threading

import adbc_driver_manager
import pyarrow as pa
import pytest

from tests.wire.conftest import start

ROWS = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["a", None]})


@pytest.fixture
def connection(server):
    with server.connect() as opened:
        yield opened


def test_get_info_names_the_product(connection):
    info = connection.adbc_get_info()
    assert (info["vendor_name"], info["vendor_version"]) == ("Frostline", "1.2.3")


def test_table_types_are_listed(connection):
    assert connection.adbc_get_table_types() == ["LOCAL TEMPORARY", "SYSTEM TABLE", "TABLE", "VIEW"]


def test_a_query_gives_its_rows(connection):
    with connection.cursor() as cursor:
        cursor.execute("ROWS 2500")
        assert cursor.fetch_arrow_table().column("n").to_pylist() == list(range(2500))


def test_a_query_without_rows_still_has_its_schema(connection):
    with connection.cursor() as cursor:
        cursor.execute("ROWS 0")
        table = cursor.fetch_arrow_table()
        assert (table.num_rows, table.schema.names) == (0, ["n"])


def test_dictionaries_arrive(connection):
    with connection.cursor() as cursor:
        cursor.execute("ROWS DICTIONARY 3")
        assert cursor.fetch_arrow_table().column("w").to_pylist() == ["w0", "w1", "w2"]


def test_an_update_gives_its_row_count(connection, server):
    with connection.cursor() as cursor:
        cursor.execute("TOUCH 3")
        assert cursor.rowcount == 3
    assert server.statements.runs == ["TOUCH 3"]


def test_executescript_runs_a_text_without_sending_rows(connection, server):
    with connection.cursor() as cursor:
        cursor.executescript("TOUCH 1")
    assert server.statements.runs == ["TOUCH 1"]


def test_a_parameter_is_bound_and_bound_again(connection):
    with connection.cursor() as cursor:
        for value in (7, 8):
            cursor.execute("ECHO ?", [value])
            assert cursor.fetchall() == [(value,)]


def test_prepare_gives_the_parameter_schema(connection):
    with connection.cursor() as cursor:
        assert cursor.adbc_prepare("ECHO ?") == pa.schema([pa.field("$1", pa.int64())])


def test_the_schema_is_the_same_everywhere(connection):
    with connection.cursor() as cursor:
        described = cursor.adbc_execute_schema("ROWS 5")
        cursor.execute("ROWS 5")
        assert cursor.fetch_arrow_table().schema == described


def test_executemany_is_one_run_of_all_rows(connection, server):
    with connection.cursor() as cursor:
        cursor.adbc_ingest("t", ROWS)
        cursor.executemany("INSERT INTO t VALUES (?, ?)", [(3, "c"), (4, "d"), (5, None)])
        assert cursor.rowcount == 3
        cursor.execute("SELECT * FROM t")
        assert [row[0] for row in cursor.fetchall()] == [1, 2, 3, 4, 5]
    assert server.statements.runs.count("INSERT INTO t VALUES (?, ?)") == 1


def test_more_bound_rows_than_allowed_are_refused(connection):
    with connection.cursor() as cursor:
        cursor.adbc_ingest("t", ROWS)
        with pytest.raises(adbc_driver_manager.ProgrammingError, match="more than 10000 rows in one upload"):
            cursor.executemany("INSERT INTO t VALUES (?, ?)", [(i, "x") for i in range(10_001)])


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [("create", 0, 2), ("append", 2, 4), ("replace", 2, 2), ("create_append", 0, 2), ("create_append", 2, 4)],
)
def test_ingest_modes_do_what_they_say(connection, mode, before, after):
    with connection.cursor() as cursor:
        if before:
            cursor.adbc_ingest("t", ROWS)
        assert cursor.adbc_ingest("t", ROWS, mode=mode) == 2
        cursor.execute("SELECT * FROM t")
        assert len(cursor.fetchall()) == after


def test_ingest_create_over_an_existing_table_says_so(connection):
    with connection.cursor() as cursor:
        cursor.adbc_ingest("t", ROWS)
        with pytest.raises(adbc_driver_manager.ProgrammingError, match=r"\[42P07\] table 'public\.t' already exists"):
            cursor.adbc_ingest("t", ROWS)


def test_ingest_append_to_nothing_says_so(connection):
    expected = pytest.raises(adbc_driver_manager.ProgrammingError, match=r"\[42P01\] table 'public\.t' does not exist")
    with connection.cursor() as cursor, expected:
        cursor.adbc_ingest("t", ROWS, mode="append")


def test_ingest_of_two_columns_with_one_name_is_refused(connection):
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    expected = pytest.raises(adbc_driver_manager.ProgrammingError, match="two columns named 'a'")
    with connection.cursor() as cursor, expected:
        cursor.adbc_ingest("t", twice)


def test_objects_of_all_depths(connection):
    with connection.cursor() as cursor:
        cursor.adbc_ingest("t", ROWS)
    catalogs = connection.adbc_get_objects(depth="catalogs").read_all().to_pylist()
    assert [catalog["catalog_name"] for catalog in catalogs] == ["frostline"]
    [schemas] = connection.adbc_get_objects(depth="db_schemas").read_all().to_pylist()
    names = [schema["db_schema_name"] for schema in schemas["catalog_db_schemas"]]
    assert sorted(names) == ["information_schema", "public", "system"]
    [tables] = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    found = {
        (schema["db_schema_name"], table["table_name"], table["table_type"])
        for schema in tables["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    }
    assert {("public", "t", "TABLE"), ("public", "v", "VIEW"), ("system", "jobs", "SYSTEM TABLE")} <= found
    [columns] = connection.adbc_get_objects(depth="all", table_name_filter="t").read_all().to_pylist()
    [table] = [t for s in columns["catalog_db_schemas"] for t in s["db_schema_tables"] if t["table_name"] == "t"]
    assert [(c["column_name"], c["xdbc_type_name"]) for c in table["table_columns"]] == [
        ("id", "BIGINT"),
        ("name", "VARCHAR"),
    ]


def test_a_table_schema_is_found_by_exact_name(connection):
    with connection.cursor() as cursor:
        cursor.adbc_ingest("t_1", ROWS)
        cursor.adbc_ingest("tx1", pa.table({"other": [1]}))
    assert connection.adbc_get_table_schema("t_1").names == ["id", "name"]
    with pytest.raises(adbc_driver_manager.ProgrammingError):
        connection.adbc_get_table_schema("nothing")


def test_a_whole_text_as_table_pattern_is_no_error(connection):
    with pytest.raises(adbc_driver_manager.ProgrammingError):  # the driver's own "not found"
        connection.adbc_get_table_schema("SELECT * FROM \"t\" WHERE a LIKE '%\\'")


def test_commit_and_rollback_reach_the_statements(server):
    connection = server.connect(autocommit=False)
    connection.commit()
    connection.rollback()
    connection.close()
    assert server.statements.ended[:2] == ["commit", "rollback"]


def test_closing_a_connection_rolls_back_and_frees_its_session(server):
    connection = server.connect(autocommit=False)
    connection.close()
    assert server.statements.ended[-1] == "rollback"
    assert list(server.sessions) == []


def test_current_schema_is_a_session_option(connection, server):
    assert connection.adbc_current_db_schema == "public"
    connection.adbc_connection.set_options(**{"adbc.connection.db_schema": "system"})
    assert connection.adbc_current_db_schema == "system"
    assert connection.adbc_current_catalog == "frostline"
    with pytest.raises(adbc_driver_manager.Error):
        connection.adbc_connection.set_options(**{"adbc.connection.db_schema": "nowhere"})


def test_a_wrong_password_and_an_unknown_user_hear_the_same(server):
    texts = set()
    for user, password in [("root", "wrong"), ("nobody", "secret")]:
        with pytest.raises(adbc_driver_manager.ProgrammingError) as refused:
            server.connect(user, password)
        texts.add(str(refused.value))
    [text] = texts
    assert "[28000] wrong user name or password" in text


def test_cancel_ends_a_running_query(connection, server):
    cursor = connection.cursor()
    cursor.execute("HANG")
    timer = threading.Timer(0.1, cursor.adbc_cancel)
    timer.start()
    with pytest.raises(adbc_driver_manager.Error, match=r"(?i)cancel"):
        cursor.fetchall()
    timer.join()
    assert server.statements.results[-1].stopped.wait(5)
    cursor.close()


def test_cancel_ends_a_statement_that_has_no_result_yet(connection, server):
    cursor = connection.cursor()
    timer = threading.Timer(0.2, cursor.adbc_cancel)
    timer.start()
    with pytest.raises(adbc_driver_manager.Error, match=r"(?i)cancel"):
        cursor.execute("BUSY")
    timer.join()
    wait = threading.Event()
    for _ in range(500):
        if server.statements.ended:
            break
        wait.wait(0.01)
    assert server.statements.ended == ["busy stopped"]
    cursor.close()


def test_a_statement_over_its_time_is_ended_and_told_why():
    server = start(statement_seconds_max=60)
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("HANG")
            timer = threading.Timer(0.1, server.clock.advance, [61])
            timer.start()
            with pytest.raises(adbc_driver_manager.OperationalError, match="longer than its timeout of 60 s") as caught:
                cursor.fetchall()
            timer.join()
            assert caught.value.status_code == adbc_driver_manager.AdbcStatusCode.TIMEOUT
    finally:
        server.service.shut_down(0)
