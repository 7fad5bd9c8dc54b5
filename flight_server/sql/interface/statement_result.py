"""StatementResult is the port through which the service sends what a statement gave."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa


class StatementResult(Protocol):
    """What became of a statement text; for a query, what will become of it."""

    @property
    def query_id(self) -> str:
        """What KILL QUERY and `Statements.cancel` take."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Of the rows; without columns when `rows_affected` is set."""
        ...

    @property
    def rows_affected(self) -> int | None:
        """None for a query."""
        ...

    @property
    def is_ready(self) -> bool:
        """Once started: whether all rows are there, so that nothing can fail or wait any more."""
        ...

    @property
    def is_endless(self) -> bool:
        """A live query: its rows go on until something ends it."""
        ...

    def start(self) -> pa.RecordBatchReader:
        """The rows of a query. Called once. Its errors are FrostlineErrors."""
        ...

    def cancel(self, reason: str) -> None:
        """Stop, from any thread, started or not; after the end it does nothing."""
        ...
