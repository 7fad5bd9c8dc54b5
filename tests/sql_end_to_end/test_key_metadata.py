"""Clients read the names of keys and foreign keys by Flight SQL and by information_schema, as far as they may know."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from tests.sql_end_to_end.people import People
from tests.support.server_process import ServerProcess

DEFINED = (
    "CREATE TABLE p (a INT, b INT, c INT, CONSTRAINT p_key PRIMARY KEY (a, b), CONSTRAINT p_c UNIQUE (c) NOT ENFORCED)",
    "CREATE TABLE q (id INT PRIMARY KEY)",
    "CREATE TABLE t (id INT PRIMARY KEY, x INT, y INT, z INT, "
    "CONSTRAINT t_p FOREIGN KEY (x, y) REFERENCES p (b, a) ON DELETE CASCADE ON UPDATE SET NULL NOT ENFORCED, "
    "CONSTRAINT t_c FOREIGN KEY (z) REFERENCES p (c) ON DELETE RESTRICT ON UPDATE SET DEFAULT NOT ENFORCED, "
    "CONSTRAINT t_q FOREIGN KEY (z) REFERENCES q NOT ENFORCED)",
    "CREATE TABLE s (p INT CONSTRAINT s_q REFERENCES q NOT ENFORCED)",
)
KEY = ("pk_table_name", "pk_column_name", "fk_table_name", "fk_column_name", "key_sequence", "fk_key_name")
T_P = [("p", "b", "t", "x", 1, "t_p"), ("p", "a", "t", "y", 2, "t_p")]
T_C, T_Q, S_Q = ("p", "c", "t", "z", 1, "t_c"), ("q", "id", "t", "z", 1, "t_q"), ("q", "id", "s", "p", 1, "s_q")


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[People]:
    with People(server) as people:
        for sql in DEFINED:
            people.root.do(sql)
        yield people


def keys(people: People, message: object, role: str = "system") -> list[tuple[object, ...]]:
    wire = people.wire(role)
    found = wire.fetch(wire.info(message))  # type: ignore[no-untyped-call]
    return [tuple(row[name] for name in KEY) for row in found.to_pylist()]


def test_imported_exported_and_crossed_keys(people: People) -> None:
    n = people.namespace
    assert keys(people, pb.CommandGetImportedKeys(db_schema=n, table="t")) == [T_C, *T_P, T_Q]
    assert keys(people, pb.CommandGetExportedKeys(db_schema=n, table="q")) == [S_Q, T_Q]
    assert keys(people, pb.CommandGetExportedKeys(catalog="frostline", db_schema=n, table="p")) == [T_C, *T_P]
    both = pb.CommandGetCrossReference(pk_db_schema=n, pk_table="q", fk_db_schema=n, fk_table="t")
    assert keys(people, both) == [T_Q]
    for none in (
        pb.CommandGetImportedKeys(db_schema=n, table="q"),
        pb.CommandGetImportedKeys(db_schema="elsewhere", table="t"),
        pb.CommandGetImportedKeys(catalog="other", db_schema=n, table="t"),
        pb.CommandGetExportedKeys(db_schema=n, table="t"),
        pb.CommandGetCrossReference(pk_db_schema=n, pk_table="t", fk_db_schema=n, fk_table="q"),
    ):
        assert keys(people, none) == []


def test_names_and_rules_of_keys(people: People) -> None:
    wire = people.wire("system")
    found = wire.fetch(wire.info(pb.CommandGetImportedKeys(db_schema=people.namespace, table="t"))).to_pylist()
    rules = {row["fk_key_name"]: (row["pk_key_name"], row["update_rule"], row["delete_rule"]) for row in found}
    assert rules == {"t_p": ("p_key", 2, 0), "t_c": ("p_c", 4, 1), "t_q": ("q_pkey", 3, 3)}
    primary = wire.fetch(wire.info(pb.CommandGetPrimaryKeys(db_schema=people.namespace, table="p"))).to_pylist()
    assert [(row["column_name"], row["key_sequence"], row["key_name"]) for row in primary] == [
        ("a", 1, "p_key"),
        ("b", 2, "p_key"),
    ]


def test_information_schema_says_the_same(people: People) -> None:
    where = f"WHERE constraint_schema = '{people.namespace}' AND constraint_name LIKE 't\\_%'"
    columns = "constraint_name, unique_constraint_name, match_option, update_rule, delete_rule"
    assert people.root.rows(
        f"SELECT {columns} FROM information_schema.referential_constraints {where} ORDER BY constraint_name"
    ) == [
        ("t_c", "p_c", "NONE", "SET DEFAULT", "RESTRICT"),
        ("t_p", "p_key", "NONE", "SET NULL", "CASCADE"),
        ("t_q", "q_pkey", "NONE", "NO ACTION", "NO ACTION"),
    ]
    assert people.root.rows(
        "SELECT column_name, ordinal_position, position_in_unique_constraint FROM information_schema.key_column_usage "
        f"WHERE constraint_schema = '{people.namespace}' AND constraint_name = 't_p' ORDER BY ordinal_position"
    ) == [("x", 1, 2), ("y", 2, 1)]
    assert people.root.rows(
        "SELECT table_name, column_name FROM information_schema.constraint_column_usage "
        f"WHERE constraint_schema = '{people.namespace}' AND constraint_name = 't_p' ORDER BY column_name"
    ) == [("p", "a"), ("p", "b")]


def test_columns_that_make_their_ids_say_so(people: People) -> None:
    people.root.do(
        "CREATE TABLE made (a BIGINT GENERATED ALWAYS AS IDENTITY, b BIGSERIAL, "
        "c BIGINT DEFAULT snowflake_id(), d BIGINT)"
    )
    wire = people.wire("system")
    asked = pb.CommandGetTables(
        db_schema_filter_pattern=people.namespace, table_name_filter_pattern="made", include_schema=True
    )
    [row] = wire.fetch(wire.info(asked)).to_pylist()
    schema = pa.ipc.read_schema(pa.py_buffer(row["table_schema"]))
    flags = {field.name: field.metadata[b"ARROW:FLIGHT:SQL:IS_AUTO_INCREMENT"] for field in schema}
    assert flags == {"a": b"1", "b": b"1", "c": b"1", "d": b"0"}


def test_a_foreign_key_does_not_tell_of_a_table_that_one_may_not_know_of(people: People) -> None:
    n, user = people.namespace, people.name("user")
    people.root.do(f"GRANT SELECT ON t, p TO '{user}'")
    client = people.connect("user")
    assert keys(people, pb.CommandGetImportedKeys(db_schema=n, table="t"), "user") == [T_C, *T_P]
    assert keys(people, pb.CommandGetExportedKeys(db_schema=n, table="q"), "user") == []
    told = [
        *client.rows(f"SHOW CREATE TABLE {n}.t"),
        *client.rows(f"DESCRIBE {n}.t HISTORY"),
        *client.rows("SELECT definition, operation FROM system.table_history"),
        *client.rows("SELECT definition FROM system.tables"),
        *client.rows("SELECT constraint_name FROM information_schema.table_constraints"),
        *client.rows("SELECT constraint_name FROM information_schema.referential_constraints"),
        *client.rows("SELECT table_name, constraint_name FROM information_schema.constraint_column_usage"),
        *client.rows("SELECT constraint_name FROM information_schema.key_column_usage"),
    ]
    assert any("t_p" in str(row) for row in told)
    assert not any("t_q" in str(row) or '"q"' in str(row) for row in told)
    people.root.do(f"INSERT INTO p VALUES (1, 1, 1); GRANT INSERT ON t TO '{user}'")
    client.do(f"INSERT INTO {n}.t VALUES (1, 1, 1, 1)")
    assert '"q"' in str(people.root.rows(f"SHOW CREATE TABLE {n}.t"))
