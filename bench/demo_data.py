"""Loading the demo's tables, freezing them, and changing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final

import pyarrow as pa
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.corrections import CORRECTIONS, Correction
from bench.flights import by_month

NAMESPACE: Final = "nycflights"  # of its own, so that a table of the user's called `flights` stays whole
BATCH_ROWS: Final = 4096
FLUSHES_MAX: Final = 5


def load(connection: Any, tables: dict[str, pa.Table]) -> None:
    """Make the namespace's tables anew and fill them through `adbc_ingest`, with a progress bar for each."""
    execute(connection, f"CREATE NAMESPACE IF NOT EXISTS {NAMESPACE}")
    execute(connection, f"USE {NAMESPACE}")
    with _progress() as progress:
        bars = {name: progress.add_task(name, total=rows.num_rows) for name, rows in tables.items()}
        for name, rows in tables.items():
            parts = by_month(rows) if name == "flights" else iter((rows,))
            for number, part in enumerate(parts):
                _ingest(connection, name, part, "append" if number else "replace", _advance(progress, bars[name]))


def _progress() -> Progress:
    return Progress(
        TextColumn("  {task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
    )


def _advance(progress: Progress, bar: Any) -> Callable[[int], None]:
    return lambda rows: progress.advance(bar, rows)


def _ingest(connection: Any, table: str, rows: pa.Table, mode: str, sent: Callable[[int], None]) -> None:
    """One upload: all of `rows` or none. `sent` hears of each batch as the driver takes it."""

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows.to_batches(max_chunksize=BATCH_ROWS):
            sent(batch.num_rows)
            yield batch

    reader = pa.RecordBatchReader.from_batches(rows.schema, batches())
    with closing(connection.cursor()) as cursor:
        cursor.adbc_ingest(table, reader, mode=mode, db_schema_name=NAMESPACE)


def newest_job(connection: Any) -> str:
    """When the newest job so far was created, for `freeze` to leave out those of an earlier demo."""
    found = query(connection, "SELECT CAST(max(created) AS VARCHAR) AS newest FROM system.jobs")["newest"][0].as_py()
    return str(found or "1970-01-01T00:00:00Z")


def freeze(connection: Any, after: str) -> pa.Table:
    """Flush every hot row to Parquet; returns what all flushes created later than `after` have moved."""
    # A flush that a policy began a moment ago does not hold the newest rows: ask until there is nothing left to do.
    for _ in range(FLUSHES_MAX):
        jobs = query(connection, f"FLUSH ALL IN {NAMESPACE}").to_pylist()
        if not jobs:
            break
        for job in jobs:
            query(connection, f"WAIT FOR JOB '{job['job_id']}'")
    return query(
        connection,
        f"""
        SELECT target AS "table", count(*) AS jobs, sum(rows) AS rows, sum(bytes) AS bytes
        FROM system.jobs
        WHERE job_type = 'flush' AND status = 'completed' AND target LIKE '{NAMESPACE}.%'
              AND created > CAST('{after}' AS TIMESTAMP)
        GROUP BY target ORDER BY rows DESC
        """,
    )


def correct(connection: Any) -> list[tuple[Correction, int]]:
    """Apply the corrections; each with the rows it changed."""
    return [(correction, execute(connection, correction.sql)) for correction in CORRECTIONS]


def stats(connection: Any, tables: dict[str, pa.Table]) -> dict[str, dict[str, int]]:
    """Table -> what SHOW STATS says of it."""
    return {name: _facts(query(connection, f"SHOW STATS FOR TABLE {name}")) for name in tables}


def _facts(rows: pa.Table) -> dict[str, int]:
    return dict(zip(rows["statistic"].to_pylist(), rows["value"].to_pylist(), strict=True))


def query(connection: Any, sql: str) -> pa.Table:
    """The rows of a statement."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


def execute(connection: Any, sql: str) -> int:
    """Run a change; returns the rows it touched."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        return int(cursor.rowcount)
