"""One server that goes through the states in which the answers are compared, each made from the one before it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from bench.corrections import CORRECTIONS
from bench.flights import by_month, read_tables
from flight_server.parser.text.type_names import sql_type_name
from tests.demo.duckdb_side import DuckDbSide, rows_of
from tests.demo.questions import QUESTIONS
from tests.support.server_process import ServerProcess

STATES: Final = ("all_hot", "all_cold", "mixed", "compacted", "restarted")
_NEVER: Final = "rows:100000000,interval:365d,bytes:100g"  # nothing flushes but what the story asks for


class Story:
    """`advance_to` a state, then `ask`. States are only ever reached forwards."""

    def __init__(self, directory: Path) -> None:
        self._tables = read_tables()
        self._oracle = DuckDbSide(self._tables)
        self.expected = self._oracle.answers(QUESTIONS)
        self._server = ServerProcess(directory / "data")
        self._server.start()
        self._server.wait_ready()
        self._connection = self._server.connect()
        self._reached = -1

    def advance_to(self, state: str) -> None:
        steps: tuple[Callable[[], None], ...] = (self._load, self._flush, self._change, self._compact, self._restart)
        while self._reached < STATES.index(state):
            steps[self._reached + 1]()
            self._reached += 1

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return rows_of(self.table(sql))

    def table(self, sql: str) -> pa.Table:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetch_arrow_table()

    def expected_table(self, sql: str) -> pa.Table:
        """What DuckDB has by now."""
        return self._oracle.table(sql)

    def stats(self, table: str) -> dict[str, int]:
        return {str(name): int(value) for name, value in self.ask(f"SHOW STATS FOR TABLE {table}")}

    def close(self) -> None:
        self._connection.close()
        self._server.end()
        self._oracle.close()

    def _load(self) -> None:
        for name, rows in self._tables.items():
            columns = ", ".join(f"{field.name} {sql_type_name(field.type)}" for field in rows.schema)
            self._run(f"CREATE TABLE {name} ({columns}) WITH (flush_policy = '{_NEVER}')")
            for part in by_month(rows) if name == "flights" else (rows,):
                self._append(name, part)

    def _flush(self) -> None:
        for job in self.ask("FLUSH ALL"):
            (done,) = self.ask(f"WAIT FOR JOB '{job[0]}'")
            assert done[3] == "completed", done

    def _change(self) -> None:
        changed = [self._run(each.sql) for each in CORRECTIONS]
        assert changed == self._oracle.change(CORRECTIONS)
        assert all(changed)
        self.expected = self._oracle.answers(QUESTIONS)

    def _compact(self) -> None:
        self._flush()
        for table in self._tables:
            (job,) = self.ask(f"COMPACT TABLE {table}")
            (done,) = self.ask(f"WAIT FOR JOB '{job[0]}'")
            assert done[3] in ("completed", "skipped"), done

    def _restart(self) -> None:
        self._connection.close()
        assert self._server.stop() == 0
        self._server = ServerProcess(self._server.data)
        self._server.start()
        self._server.wait_ready()
        self._connection = self._server.connect()

    def _append(self, table: str, rows: pa.Table) -> None:
        with self._connection.cursor() as cursor:
            assert cursor.adbc_ingest(table, rows, mode="append") == rows.num_rows

    def _run(self, sql: str) -> int:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.rowcount)
