"""What lies beneath a NULL struct, list or map is never read: whichever way the rows came in, hot as cold."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from tests.storage.nested_arrays import KEYS, arrays, nested_types
from tests.support.hidden_fields import FIELDS, fields, pairs
from tests.support.sql_client import Client

ROWS = 6
_numbers = itertools.count()


def paths(kind: pa.DataType, text: str = "v") -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Every way down into a value: its SQL, and the same of a Python value."""
    steps: list[tuple[str, pa.DataType, Callable[[Any], Any]]]
    if pa.types.is_struct(kind):
        steps = [(f"['{f.name}']", f.type, itemgetter(f.name)) for f in kind]
    elif pa.types.is_map(kind):
        steps = [(f"['{key}']", kind.item_type, partial(of_key, key)) for key in KEYS]
    elif pa.types.is_nested(kind):
        steps = [("[1]", kind.value_type, lambda value: value[0] if value else None)]
    else:
        return
    for step, inner, of in steps:
        yield text + step, partial(down, (of,))
        for below, further in paths(inner, text + step):
            yield below, partial(down, (of, further))


def of_key(key: Any, value: Any) -> Any:
    return dict(value).get(key)


def down(steps: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    """One step after the other, as far as there is a value."""
    for step in steps:
        value = None if value is None else step(value)
    return value


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nested_types().flatmap(lambda kind: arrays(kind, ROWS)))
def test_every_part_of_a_nested_value_reads_the_same_hot_and_cold(client: Client, sent: pa.Array) -> None:
    table = f"t{next(_numbers)}"
    client.ingest(table, pa.table({"id": range(ROWS), "v": sent}))
    ways = list(paths(sent.type))
    texts = ", ".join(f"{text} AS c{i}, {text} IS NULL AS n{i}" for i, (text, _) in enumerate(ways))
    expected = [[part for _, of in ways for part in (of(v), of(v) is None)] for v in sent.to_pylist()]
    counts = ", ".join(f"count({text}) AS c{i}" for i, (text, _) in enumerate(ways))
    counted = tuple(sum(of(v) is not None for v in sent.to_pylist()) for _, of in ways)
    for stage in ("hot", "cold"):
        assert [list(row) for row in client.rows(f"SELECT {texts} FROM {table} ORDER BY id")] == expected, stage
        assert client.rows(f"SELECT {counts} FROM {table}") == [counted], stage
        for (text, _), count in zip(ways, counted, strict=True):
            assert client.value(f"SELECT count(*) FROM {table} WHERE {text} IS NULL") == ROWS - count, (stage, text)
        assert client.table(f"SELECT v FROM {table} ORDER BY id").column("v").to_pylist() == sent.to_pylist()
        client.flush(table)


@pytest.mark.parametrize(
    "given_by",
    [
        "append",
        "replace",
        "create_append",
        "INSERT INTO t SELECT * FROM source",
        "INSERT INTO t SELECT id, CASE WHEN id = 1 THEN s END FROM clean",
        "INSERT INTO t SELECT id, nullif(s, {a: 2, b: 'hidden'}) FROM clean",
        "UPDATE t SET s = CASE WHEN id = 1 THEN s END",
        "MERGE INTO t USING clean AS c ON t.id = c.id WHEN MATCHED THEN UPDATE SET s = CASE WHEN c.id = 1 THEN c.s END "
        "WHEN NOT MATCHED THEN INSERT (id, s) VALUES (c.id, c.s)",
        "INSERT INTO t SELECT * FROM source ON CONFLICT (id) DO UPDATE SET s = excluded.s",
        "CREATE OR REPLACE TABLE t AS SELECT id, CASE WHEN id = 1 THEN s END AS s FROM clean",
    ],
)
def test_each_way_in_clears_what_is_beneath_a_null_struct(client: Client, given_by: str) -> None:
    client.ingest("source", pairs())
    client.do("CREATE TABLE clean (id BIGINT PRIMARY KEY, s STRUCT<a INT, b VARCHAR>)")
    client.do("INSERT INTO clean VALUES (1, {a: 1, b: 'q'}), (2, {a: 2, b: 'hidden'}), (3, NULL)")
    client.do("CREATE TABLE t (id BIGINT PRIMARY KEY, s STRUCT<a INT, b VARCHAR>)")
    if given_by.startswith(("UPDATE", "MERGE")):
        client.do("INSERT INTO t SELECT * FROM clean")
    if " " in given_by:
        client.do(given_by)
    else:
        client.ingest("t", pairs(), mode=given_by)
    assert fields(client) == FIELDS
    client.flush("t")
    assert fields(client) == FIELDS


@pytest.mark.parametrize("table", ["CREATE TEMP TABLE t", "CREATE USER TABLE t", "CREATE STREAM TABLE t"])
def test_temporary_user_and_stream_tables_are_cleared_too(client: Client, table: str) -> None:
    options = " WITH (retention = '60s')" if "STREAM" in table else ""
    client.do(f"{table} (id BIGINT, s STRUCT<a INT, b VARCHAR>){options}")
    if "TEMP" in table:
        client.ingest("t", pairs(), mode="append", temporary=True, db_schema_name=None)
    else:
        client.ingest("t", pairs(), mode="append")
    assert fields(client) == FIELDS


def test_a_default_that_hides_something_is_cleared(client: Client) -> None:
    client.do("CREATE TABLE t (id BIGINT)")
    client.do("INSERT INTO t VALUES (1)")
    client.do("ALTER TABLE t ADD COLUMN s STRUCT<a INT, b VARCHAR> DEFAULT nullif({a: 1, b: 'x'}, {a: 1, b: 'x'})")
    client.do("INSERT INTO t (id) VALUES (2)")
    assert fields(client) == [(1, None, None), (2, None, None)]


def test_fields_declared_not_null_are_null_beneath_a_null_struct(client: Client) -> None:
    kind = pa.struct([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.string())])
    sent = pa.StructArray.from_arrays(
        [pa.array([1, 7, 3], pa.int32()), pa.array(["q", "hidden", None])],
        fields=list(kind),
        mask=pa.array([False, True, False]),
    )
    client.ingest("t", pa.table({"id": [1, 2, 3], "s": sent}))
    for _ in ("hot", "cold"):
        assert fields(client) == [(1, 1, "q"), (2, None, None), (3, 3, None)]
        assert client.rows("SELECT id FROM t WHERE s['a'] IS NULL") == [(2,)]
        assert client.rows("SELECT id FROM t WHERE s['a'] IS NOT NULL ORDER BY id") == [(1,), (3,)]
        assert client.rows("SELECT count(s['a']) AS n, sum(s['a']) AS t FROM t") == [(2, 4)]
        client.flush("t")
