"""The door of this room: SQL text in, Arrow batches out.

One statement: a fresh SessionContext (60 us) with the scope's catalog -> `Plan` -> `RunningQuery`. What all
statements share is the memory pool, the spill directory, the file caches, the loop thread and the kept scans.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pyarrow as pa
from datafusion import DataFrame, LogicalPlan, RuntimeEnvBuilder, SessionConfig, SessionContext, SQLOptions
from datafusion.catalog import Table

from flight_server.query.bounds import has_unkeyed_join, may_join, refuse_endless_joins
from flight_server.query.catalog import Lookup, ScopeCatalog
from flight_server.query.cold_scan import ColdScans, outside_runtime
from flight_server.query.errors import query_error, raise_mapped
from flight_server.query.params import literal, parameter_types, placeholders_in, spelled
from flight_server.query.running import QueryLoop, RunningQuery
from flight_server.query.scan import RowView, TableScans
from flight_server.query.scope import QueryScope
from flight_server.query.settings import QuerySettings
from flight_server.query.shape import Shape, client_schema, without_directory
from flight_server.sql.lexer import mentions
from storage.errors import Cancelled, FrostlineError
from storage.local_files import LocalFiles
from storage.names import CATALOG, DEFAULT_NAMESPACE
from storage.schema import DELETED, SYSTEM_COLUMNS, ViewDef

POLL_SECONDS: Final = 0.05
BUFFER_BYTES_MAX: Final = 16 << 20  # how far one statement may run ahead of its reader
COLD_PLANS_MAX: Final = 512  # list-of-files scans kept, with the statistics of their files

_READ_ONLY = SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
_EXPLAIN = re.compile(r"\A\s*explain\s+(analyze\s+)?(verbose\s+)?", re.IGNORECASE)
_EXPLAIN_COLUMNS: Final = ["plan_type", "plan"]
# With nothing known of a placeholder, planning may fail (sum($1)): then these are tried, in this order.
_GUESSES: Final = {pa.int64(): "1", pa.string(): "''", pa.float64(): "1.0e0"}
_HOPELESS: Final = ("42601", "42P01", "42501", "3F000")  # no guess mends a syntax error or a missing table

Params = Mapping[str, pa.Scalar]
NO_PARAMETERS: Final[Mapping[str, pa.DataType]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement that can be started, more than once.

    schema:     what clients see: in FlightInfo, in prepared statements and in the stream alike
    parameters: "1", "2", .. -> the type each placeholder wants, null when unknown; empty when bound
    context, logical: what DataFusion runs
    explained:  plans again, for the physical plan with estimates of rows
    """

    schema: pa.Schema
    parameters: Mapping[str, pa.DataType]
    context: SessionContext = field(repr=False)
    logical: LogicalPlan = field(repr=False)
    explained: Callable[[], str] = field(repr=False)


class QueryEngine:
    """Plans and runs statements. Safe to use from any thread."""

    def __init__(self, settings: QuerySettings, spill_directory: Path, files: LocalFiles) -> None:
        """`spill_directory` is emptied: what is in it is left from a crash."""
        os.environ.setdefault("TOKIO_WORKER_THREADS", str(settings.engine_threads))
        shutil.rmtree(spill_directory, ignore_errors=True)
        spill_directory.mkdir(parents=True)
        self._settings = settings
        self._cold_directory = files.root
        self._runtime = (
            RuntimeEnvBuilder()
            .with_disk_manager_specified(str(spill_directory))
            .with_fair_spill_pool(settings.memory_bytes_max)
        )
        # Home of all kept plans: it has DataFusion's own default catalog, which `read_batches` needs. No statement
        # runs in it, and no table is ever registered in it.
        self._base = SessionContext(_config(settings, DEFAULT_NAMESPACE, "+00:00", bare=False), self._runtime)
        self._scans = TableScans(self._base, ColdScans(self._base, files, COLD_PLANS_MAX))
        self._loop = QueryLoop()

    def plan(
        self,
        sql: str,
        scope: QueryScope,
        params: Params | None = None,
        *,
        rows: RowView | None = None,
        casts: Mapping[str, pa.DataType] | None = None,
    ) -> Plan:
        """Plan one SELECT, WITH, VALUES or EXPLAIN. Without `params`, placeholders get types.

        rows:  which system columns and versions tables show; by default as `sql` names them
        casts: output column -> type that it must come in

        Raises: InvalidRequest and its kin (SQLSTATE tells which), NotFound, NotSupported, PermissionDenied.
        """
        lookup = Lookup(self._base, self._scans, scope, rows or row_view(sql), self._plan_view)
        catalog = ScopeCatalog(lookup)
        context = self._context(catalog)
        if params or "$" not in sql:
            frame, parameters = _bound_frame(context, sql, params or {}), NO_PARAMETERS
        else:
            frame, parameters = self._unbound_frame(context, sql)
        frame = _cast(frame, casts or {})
        explained = partial(self._explained, catalog, sql, params)
        return Plan(client_schema(_schema(frame)), parameters, context, frame.logical_plan(), explained)

    def start(self, plan: Plan) -> RunningQuery:
        """Begin to run; rows come through the RunningQuery.

        Raises: LimitExceeded (a join that would hardly end), Cancelled (closed), what constant folding finds (1/0).
        """
        if self._loop.loop.is_closed():
            raise Cancelled("the server is stopping")
        # A frame of its own: it keeps its last physical plan, with hash tables in it, for as long as it lives.
        frame = plan.context.create_dataframe_from_logical_plan(plan.logical)
        try:
            # Joins are planned twice, once to look: a stream that has been made is running already.
            if may_join(plan.logical.display_indent()) and has_unkeyed_join(frame.execution_plan().display_indent()):
                refuse_endless_joins(plan.explained())
            stream = frame.execute_stream()
        except BaseException as error:
            raise_mapped(error)
        rewrite = without_directory(self._cold_directory) if plan.schema.names == _EXPLAIN_COLUMNS else None
        shape = Shape(plan.schema, self._settings.message_bytes_max, rewrite)
        return RunningQuery(self._loop.loop, stream, shape, query_error, BUFFER_BYTES_MAX)

    def collect(self, plan: Plan, cancelled: Callable[[], bool]) -> pa.Table:
        """Run to the end and give everything. Raises as `stream`."""
        return pa.Table.from_batches(list(self.stream(plan, cancelled)), schema=plan.schema)

    def stream(self, plan: Plan, cancelled: Callable[[], bool]) -> Iterator[pa.RecordBatch]:
        """Run, batch by batch. Raises Cancelled soon after `cancelled()` is true, and what running raises."""
        running = self.start(plan)
        batches = running.batches()
        while True:
            while not running.wait(POLL_SECONDS):
                if cancelled():
                    running.cancel()
                    raise Cancelled("the statement was cancelled")
            batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def close(self) -> None:
        """Cancel what runs and stop the loop thread."""
        self._loop.close()

    def _context(self, catalog: ScopeCatalog, *, explained: bool = False) -> SessionContext:
        config = _config(self._settings, catalog.namespace, catalog.time_zone, bare=True, explained=explained)
        context = SessionContext(config, self._runtime)
        context.register_catalog_provider(CATALOG, catalog)
        return context

    def _unbound_frame(self, context: SessionContext, sql: str) -> tuple[DataFrame, Mapping[str, pa.DataType]]:
        try:
            frame = _frame(context, sql, None)
        except FrostlineError as error:
            return _guessed_frame(context, sql, error)
        return frame, parameter_types(self._base, sql, frame)

    def _plan_view(self, view: ViewDef, lookup: Lookup) -> Table:
        """Called back while DataFusion plans, hence on a thread of its own."""
        within = replace(lookup, rows=row_view(view.sql))
        return outside_runtime(lambda: _frame(self._context(ScopeCatalog(within)), view.sql, None).into_view())

    def _explained(self, catalog: ScopeCatalog, sql: str, params: Params | None) -> str:
        text = f"EXPLAIN {_EXPLAIN.sub('', sql, count=1)}"
        frame = _bound_frame(self._context(catalog, explained=True), text, params or {})
        return str(frame.to_pydict()["plan"][-1])


def _cast(frame: DataFrame, casts: Mapping[str, pa.DataType]) -> DataFrame:
    """The frame with some of its columns in other types. Raises InvalidRequest (no such cast)."""
    if not casts:
        return frame
    found = _schema(frame)
    wrong = {name: kind for name, kind in casts.items() if name in found.names and found.field(name).type != kind}
    try:
        return frame.cast(wrong) if wrong else frame
    except Exception as error:
        raise_mapped(error)


def row_view(sql: str) -> RowView:
    """Which columns and row versions the text asks for, by naming system columns."""
    return RowView(system_columns=mentions(sql, SYSTEM_COLUMNS), show_deleted=mentions(sql, (DELETED,)))


def _frame(context: SessionContext, sql: str, params: Params | None) -> DataFrame:
    try:
        return context.sql_with_options(sql, _READ_ONLY, param_values=dict(params) if params else None)
    except BaseException as error:
        raise_mapped(error)


def _bound_frame(context: SessionContext, sql: str, params: Params) -> DataFrame:
    try:
        return _frame(context, sql, params)
    except FrostlineError as error:
        if error.sqlstate in _HOPELESS:
            raise
        texts = {name: text for name, value in params.items() if (text := literal(value)) is not None}
        return _first_frame(context, [spelled(sql, texts)] if texts else [], params, error)[0]


def _guessed_frame(
    context: SessionContext, sql: str, error: FrostlineError
) -> tuple[DataFrame, Mapping[str, pa.DataType]]:
    names = [] if error.sqlstate in _HOPELESS else placeholders_in(sql)
    if not names:
        raise error
    texts = [spelled(sql, dict.fromkeys(names, text)) for text in _GUESSES.values()]
    frame, at = _first_frame(context, texts, None, error)
    return frame, dict.fromkeys(names, list(_GUESSES)[at])


def _first_frame(
    context: SessionContext, texts: list[str], params: Params | None, error: FrostlineError
) -> tuple[DataFrame, int]:
    """The first of `texts` that can be planned, and its place. Raises `error`, which it was that led here."""
    for at, text in enumerate(texts):
        try:
            return _frame(context, text, params), at
        except FrostlineError:
            continue
    raise error


@lru_cache(maxsize=256)
def _config(
    settings: QuerySettings, namespace: str, time_zone: str, *, bare: bool, explained: bool = False
) -> SessionConfig:
    """bare:      without DataFusion's own catalog, so that only ours can be named
    explained: EXPLAIN tells estimates of rows
    """
    options = {
        "datafusion.execution.parquet.schema_force_view_types": "false",
        "datafusion.execution.parquet.pushdown_filters": "false",  # 1.1x slower on TPC-H with it
        "datafusion.sql_parser.map_string_types_to_utf8view": "false",
        "datafusion.execution.time_zone": time_zone,
        "datafusion.explain.show_statistics": "true" if explained else "false",
    }
    config = SessionConfig(options).with_information_schema(False)  # ours is virtual
    config = config.with_target_partitions(settings.target_partitions).with_batch_size(settings.batch_rows)
    if bare:
        config = config.with_create_default_catalog_and_schema(False)
        config = config.with_default_catalog_and_schema(CATALOG, namespace)
    return config


def _schema(frame: DataFrame) -> pa.Schema:
    try:
        return frame.schema()
    except Exception as error:
        raise_mapped(error)
