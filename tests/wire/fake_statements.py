"""A small `Statements` in memory, so that the wire can be tested without an engine.

Its language: `ROWS n`, `ROWS n THEN FAIL Kind`, `ROWS DICTIONARY n THEN FAIL Kind`, `ECHO ?`, `TOUCH n`, `FAIL Kind`,
`CRASH`, `FLOOD` (a query without end), `HANG` (a query that gives nothing until it is cancelled), `BUSY` (the same,
before it has a result), `SELECT * FROM t`, `INSERT INTO t VALUES (?, ?)`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from flight_server.access.sessions.session import Session
from flight_server.sql.interface.request import Request
from flight_server.sql.interface.statement_shape import StatementShape
from flight_server.sql.interface.stored_batch import StoredBatch
from flight_server.wire.requests import IfExists, IfMissing, IngestCommand
from storage import errors
from storage.catalog.catalog import Catalog
from storage.catalog.names import TableName, table_name
from storage.catalog.schema import Column, TableDef, TableKind, ViewDef
from storage.catalog.table_options import TableOptions

NUMBERS = pa.schema([pa.field("n", pa.int64())])
WORDS = pa.schema([pa.field("w", pa.dictionary(pa.int32(), pa.utf8()))])
NOTHING = pa.schema([])


@dataclass
class FakeTransaction:
    id: bytes
    ended: list[str]

    def ends_idle(self, oldest_seconds: float) -> bool:
        return False

    def rollback(self) -> None:
        self.ended.append("rollback")


@dataclass
class FakeResult:
    query_id: str
    schema: pa.Schema
    rows_affected: int | None = None
    is_ready: bool = False
    is_endless: bool = False
    rows: Callable[[], Iterator[pa.RecordBatch]] = lambda: iter(())
    reasons: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self.rows())

    def cancel(self, reason: str) -> None:
        self.reasons.append(reason)
        self.stopped.set()


class FakeStatements:
    def __init__(self) -> None:
        self.tables: dict[TableName, pa.Table] = {}
        self.runs: list[str] = []
        self.results: list[FakeResult] = []
        self.ended: list[str] = []
        self._ids = itertools.count(1)
        self.view = ViewDef(name=table_name("public", "v"), sql="ROWS 1", default_namespace="public")

    def run(self, request: Request) -> FakeResult:
        self.runs.append(request.sql)
        result = self._run(request.session, request.sql, request.params, request.cancelled)
        self.results.append(result)
        return result

    def _run(self, session, sql, params, cancelled) -> FakeResult:
        id_ = f"q{next(self._ids)}"
        match sql.split():
            case ["ROWS", n]:
                return FakeResult(id_, NUMBERS, rows=lambda: _numbers(int(n)))
            case ["ROWS", n, "THEN", "FAIL", kind]:
                return FakeResult(id_, NUMBERS, rows=lambda: _failing(_numbers(int(n)), kind))
            case ["ROWS", "DICTIONARY", n, "THEN", "FAIL", kind]:
                return FakeResult(id_, WORDS, rows=lambda: _failing(_words(int(n)), kind))
            case ["ROWS", "DICTIONARY", n]:
                return FakeResult(id_, WORDS, rows=lambda: _words(int(n)))
            case ["ECHO", "?"]:
                batch = params if params is not None else pa.RecordBatch.from_pylist([{"n": None}], schema=NUMBERS)
                echoed = pa.RecordBatch.from_arrays([batch.column(0).cast(pa.int64())], schema=NUMBERS)
                return FakeResult(id_, NUMBERS, rows=lambda: iter([echoed]))
            case ["TOUCH", n]:
                return FakeResult(id_, NOTHING, rows_affected=int(n))
            case ["FAIL", kind]:
                raise _error(kind)
            case ["CRASH"]:
                raise ZeroDivisionError("secret detail in /srv/secret/path.py")
            case ["HANG"]:
                return _hanging(id_)
            case ["FLOOD"]:
                return _flooding(id_)
            case ["BUSY"]:
                while not cancelled():
                    threading.Event().wait(0.005)
                self.ended.append("busy stopped")
                raise errors.Cancelled("stopped")
            case ["SELECT", "*", "FROM", name]:
                table = self._table(table_name("public", name))
                return FakeResult(id_, table.schema, rows=lambda: iter(table.to_batches()))
        raise errors.InvalidRequest("syntax error in the statement", sqlstate="42601")

    def describe(self, request: Request) -> StatementShape:
        sql = request.sql
        parameters = NOTHING
        if sql.startswith("INSERT INTO "):
            table = self._table(table_name("public", sql.split()[2]))
            return StatementShape(True, NOTHING, table.schema)
        if sql == "ECHO ?":
            parameters = pa.schema([pa.field("$1", pa.int64())])
        if sql in ("BUSY", "CRASH") or sql.startswith("FAIL"):
            return StatementShape(False, NUMBERS, NOTHING)
        runs, results = list(self.runs), list(self.results)
        result = self.run(Request(request.session, sql))
        self.runs, self.results = runs, results
        return StatementShape(result.rows_affected is not None, result.schema, parameters)

    def end_live_queries(self, reason: str) -> None:
        """It has none."""

    def run_many(self, request: Request, batches: Iterable[pa.RecordBatch]) -> int:
        self.runs.append(request.sql)
        name = table_name("public", request.sql.split()[2])
        table = self._table(name)
        rows = [pa.RecordBatch.from_arrays(b.columns, schema=table.schema) for b in batches]
        self.tables[name] = pa.Table.from_batches([*table.to_batches(), *rows], table.schema)
        return sum(batch.num_rows for batch in rows)

    def ingest(self, session, command: IngestCommand, reader, schema: pa.Schema, cancelled) -> int:
        name = table_name(command.namespace or session.namespace, command.table)
        exists = name in self.tables
        if exists and command.if_exists is IfExists.FAIL:
            raise errors.AlreadyExists(f"table '{name}' already exists")
        if not exists and command.if_missing is IfMissing.FAIL:
            raise errors.NotFound(f"table '{name}' does not exist")
        batches = list(reader(cancelled))
        kept = self.tables[name].to_batches() if exists and command.if_exists is IfExists.APPEND else []
        self.tables[name] = pa.Table.from_batches([*kept, *batches], schema)
        return sum(batch.num_rows for batch in batches)

    def ingest_each(self, session, command: IngestCommand, reader, schema: pa.Schema, cancelled):
        for batch in reader(cancelled):
            yield StoredBatch(self.ingest(session, command, lambda _, b=batch: iter([b]), schema, cancelled), None)

    def begin(self, session: Session) -> bytes:
        id_ = f"t{next(self._ids)}".encode()
        session.transactions.add(FakeTransaction(id_, self.ended), by_statement=False)
        return id_

    def end(self, session: Session, transaction_id: bytes, commit: bool) -> None:
        found = session.transactions.get(transaction_id)
        if found is None:
            raise errors.NotFound("the transaction does not exist or has ended", sqlstate="25P01")
        session.transactions.remove(found)
        self.ended.append("commit" if commit else "rollback")

    def begin_savepoint(self, session: Session, transaction_id: bytes, name: str) -> bytes:
        raise errors.InvalidRequest("there are no savepoints")

    def end_savepoint(self, session: Session, savepoint_id: bytes, roll_back: bool) -> None:
        raise errors.InvalidRequest("there are no savepoints")

    def cancel(self, query_id: str) -> bool:
        return False

    def catalog(self, session: Session) -> Catalog:
        catalog = Catalog().with_view(self.view, or_replace=True)
        for name, table in self.tables.items():
            catalog = catalog.with_table(_definition(name, table.schema))
        return catalog

    def system_schemas(self, session: Session) -> Mapping[TableName, pa.Schema]:
        return {TableName("system", "jobs"): NUMBERS, TableName("information_schema", "tables"): NUMBERS}

    def schema_of(self, session: Session, name: TableName) -> pa.Schema:
        return NUMBERS

    def _table(self, name: TableName) -> pa.Table:
        if name not in self.tables:
            raise errors.NotFound(f"table '{name}' does not exist")
        return self.tables[name]


def _definition(name: TableName, schema: pa.Schema) -> TableDef:
    columns = tuple(
        Column(name=f.name, physical_name=f.name, type=f.type, sql_type="", nullable=f.nullable) for f in schema
    )
    return TableDef(
        table_id=1, name=name, kind=TableKind.SHARED, columns=columns, options=TableOptions(), primary_key=("id",)
    )


def _numbers(rows: int) -> Iterator[pa.RecordBatch]:
    for start in range(0, rows, 1000):
        yield pa.record_batch([pa.array(range(start, min(rows, start + 1000)), pa.int64())], schema=NUMBERS)


def _words(rows: int) -> Iterator[pa.RecordBatch]:
    for i in range(rows):
        yield pa.record_batch([pa.array([f"w{i}"]).dictionary_encode()], schema=WORDS)


def _failing(rows: Iterator[pa.RecordBatch], kind: str) -> Iterator[pa.RecordBatch]:
    yield from rows
    raise _error(kind)


def _error(kind: str) -> Exception:
    if kind == "Crash":
        return ZeroDivisionError("secret detail in /srv/secret/path.py")
    return getattr(errors, kind)(f"the {kind} sentence names 'thing'")


def _flooding(id_: str) -> FakeResult:
    result = FakeResult(id_, NUMBERS)
    megabyte = pa.record_batch([pa.array(range(1 << 17), pa.int64())], schema=NUMBERS)

    def rows() -> Iterator[pa.RecordBatch]:
        while not result.stopped.is_set():
            yield megabyte
        raise errors.Cancelled("stopped")

    result.rows = rows
    return result


def _hanging(id_: str) -> FakeResult:
    result = FakeResult(id_, NUMBERS)

    def rows() -> Iterator[pa.RecordBatch]:
        yield from _numbers(1)
        result.stopped.wait()
        raise errors.Cancelled("the statement was cancelled")

    result.rows = rows
    return result
