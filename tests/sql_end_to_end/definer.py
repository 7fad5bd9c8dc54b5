"""A session in this process for statements that define: rows, SQLSTATEs, and the database opened again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.errors import FrostlineError
from tests.support.in_process import House, house


class Definer:
    """One session of root."""

    def __init__(self, opened: House) -> None:
        self.house = opened
        self._session = opened.enter()

    def do(self, *statements: str) -> None:
        for sql in statements:
            self.house.do(self._session, sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.house.do(self._session, sql).to_pylist()]

    def value(self, sql: str) -> Any:
        [[value]] = self.rows(sql)
        return value

    def refusal(self, sql: str) -> FrostlineError:
        try:
            self.house.do(self._session, sql)
        except FrostlineError as error:
            return error
        raise AssertionError(f"not refused: {sql}")

    def sqlstate(self, sql: str) -> str:
        return self.refusal(sql).sqlstate

    def created(self, table: str) -> str:
        """The statements that SHOW CREATE TABLE gives."""
        [[_, sql]] = self.rows(f"SHOW CREATE TABLE {table}")
        return str(sql)

    def constraints(self, table: str) -> set[tuple[str, str, str]]:
        """Name, type, and whether it is enforced."""
        return set(
            self.rows(
                "SELECT constraint_name, constraint_type, enforced FROM information_schema.table_constraints "
                f"WHERE table_name = '{table}'"
            )
        )

    def names(self) -> set[str]:
        """Tables and views of the namespace."""
        return {row[1] for row in self.rows("SHOW TABLES")}


@contextmanager
def definer(directory: Path) -> Iterator[Definer]:
    """On what is in the directory already, if anything is."""
    with house(directory) as opened:
        yield Definer(opened)
