"""docs/sql.md is true: its examples are run in order, on an empty server, and end as their comments say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import Error

from tests.docs.markdown import Example, sql_examples
from tests.support.server_process import REPOSITORY, ServerProcess

EXAMPLES = list(sql_examples(REPOSITORY / "docs" / "sql.md"))
JOB_ID = "FL-1"  # stands for the id that the last job statement gave


class Reader:
    """Somebody who types the examples one after the other."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._job_id = ""
        self._done = 0

    def run_until(self, number: int) -> None:
        """Run what is not yet run, the example `number` included."""
        while self._done <= number:
            self._done += 1
            self._run(EXAMPLES[self._done - 1])

    def _run(self, example: Example) -> None:
        sql = example.sql.replace(JOB_ID, self._job_id)
        with self._connection.cursor() as cursor:
            if example.sqlstate is not None:
                with pytest.raises(Error, match=rf"\[{example.sqlstate}\]"):
                    _execute(cursor, sql)
                return
            rows = _execute(cursor, sql)
            if rows is not None and "job_id" in rows.column_names and rows.num_rows:
                self._job_id = rows["job_id"][0].as_py()
            if example.rows is not None:
                assert rows is not None
                assert rows.num_rows == example.rows
            if example.changed is not None:
                assert cursor.rowcount == example.changed


def _execute(cursor: Any, sql: str) -> pa.Table | None:
    """The rows of a statement, if it has any: errors may come with the first batch only."""
    cursor.execute(sql)
    return cursor.fetch_arrow_table() if cursor.description else None


@pytest.fixture(scope="module")
def reader(server: ServerProcess) -> Iterator[Reader]:
    with server.connect() as connection:
        yield Reader(connection)


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=lambda n: " ".join(EXAMPLES[n].sql.split())[:50])
def test_the_example_ends_as_the_document_says(reader: Reader, number: int):
    reader.run_until(number)


def test_the_document_has_examples_of_every_kind():
    assert len(EXAMPLES) > 80
    assert any(example.sqlstate for example in EXAMPLES)
    assert any(example.rows for example in EXAMPLES)
    assert any(example.changed for example in EXAMPLES)
