"""What is answered without the engine has the schema and the names that the engine gives."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from datafusion import SessionContext
from sqlglot.dialects.dialect import Dialect

from flight_server.query.results.client_types import client_type
from flight_server.sql.run.point_lookup import STAR, point_read
from flight_server.sql.run.row_by_key import answer_schema
from storage.cold.parquet_types import is_storable
from storage.state.casts import cast
from storage.state.nested_nulls import cleared
from tests.sql_end_to_end.nested_columns import columns_and_nested
from tests.support.query_database import NOW_MS, Database, column, seq_at

STORABLE = [
    (name, array)
    for name, array in columns_and_nested()
    if is_storable(client_type(array.type)) and not pa.types.is_null(array.type)
]
TAKEN_MIN = 25  # of these types; fewer would mean that most reads by key need a plan again
WORDS_MIN = 400


def test_rows_have_the_schema_that_the_engine_gives_whatever_the_column(db: Database):
    taken = []
    for name, sent in STORABLE:
        kind = client_type(sent.type)
        key = column("k", pa.int64(), nullable=False)
        table = db.table("t", key, column("v", kind), column("w", kind, nullable=False), primary_key=("k",))
        for columns in (("v",), ("w", "k"), STAR):
            found = answer_schema(table, columns)
            if found is None:
                continue
            taken.append(name)
            values = cast(cleared(sent), kind)
            db.hot(table, [seq_at(NOW_MS, row) for row in range(3)], k=[1, 2, 3], v=values, w=values.take([0, 0, 0]))
            plan = db.queries.plan(f"SELECT {', '.join(columns)} FROM t WHERE k = 1", db.scope())
            assert found.equals(plan.schema, check_metadata=True), name
    assert len(set(taken)) >= TAKEN_MIN


def words() -> list[str]:
    """Key words of all databases that sqlglot knows."""
    dialects = [
        Dialect.get_or_raise(name) for name in ("", "postgres", "mysql", "snowflake", "duckdb", "oracle", "tsql")
    ]
    found = {word.lower() for dialect in dialects for word in dialect.tokenizer_class.KEYWORDS}
    return sorted(word for word in found if re.fullmatch(r"[a-z_]\w*", word))


def test_a_word_that_is_taken_for_a_column_or_a_table_is_one_to_the_engine():
    """Words such as `current_date` and `true` are something else, though a column or table may be called so."""
    assert len(words()) > WORDS_MIN
    engine = SessionContext()
    for word in words():
        for sql in (f"SELECT {word} FROM t WHERE {word} = 'x'", f"SELECT a FROM {word} WHERE id = 5"):
            wanted = point_read(sql, {})
            if wanted is None or wanted.columns is None:
                continue
            rows = pa.record_batch([["x"], ["x"], [5]], names=[word if word != "a" else "b", "a", "id"])
            engine.register_record_batches(f'"{wanted.table}"', [[rows]])
            [answer] = engine.sql(sql).collect()
            engine.deregister_table(f'"{wanted.table}"')
            assert (answer.schema.names, answer.column(0).to_pylist()) == (list(wanted.columns), ["x"]), word


@pytest.mark.parametrize("word", ["current_date", "true", "null", "distinct", "user", "current_user", "lateral"])
def test_words_that_are_none_are_left_to_the_engine(word: str):
    for sql in (
        f"SELECT {word} FROM t WHERE id = 5",
        f"SELECT a FROM {word} WHERE id = 5",
        f"SELECT a FROM t WHERE {word} = 5",
        f"SELECT a FROM {word}.t WHERE id = 5",
    ):
        wanted = point_read(sql, {})
        assert wanted is not None
        assert wanted.columns is None
