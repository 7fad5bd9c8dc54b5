"""QueryEngine plans and runs queries: SQL text in, Arrow batches out.

One statement: a lent SessionContext with the scope's catalog -> `Plan` -> `Running`. What all statements share is the
memory pool, the spill directory, the file caches, the loop thread, the kept scans and plans.

Two ways to run. A short statement (few rows, nothing that multiplies them) runs to its end on the caller's thread:
0.06 ms, where a stream's way through the loop takes 0.4. Any other is a stream that can be cancelled.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
from datafusion import DataFrame, LogicalPlan, RecordBatchStream, RuntimeEnvBuilder
from datafusion.catalog import Table

from flight_server.parser.dialect.microseconds import in_microseconds
from flight_server.parser.dialect.session_words import written_out
from flight_server.parser.text.lexer import mentions
from flight_server.parser.text.sql_text import SqlText
from flight_server.query.apart import BOUNDED, Admit, Apart, Bounds, Sandbox, admitted
from flight_server.query.bounds import (
    has_long_join,
    has_unkeyed_join,
    has_unyielding_join,
    is_short,
    may_join,
    refuse_endless_joins,
)
from flight_server.query.care.careful_plan import CarefulFrame, careful_frame
from flight_server.query.care.engine_faults import ALL_MENDED, NO_CARE, Care, Mended
from flight_server.query.care.kept_rewrites import KeptRewrite, KeptRewrites
from flight_server.query.constant_answers import ConstantAnswers
from flight_server.query.errors.mapping import query_error, raise_unplanned
from flight_server.query.file_lookups import FileLookups
from flight_server.query.plan_cache import PlanCache
from flight_server.query.result_cache import ResultCache, is_repeatable
from flight_server.query.results.result_shape import Shape, check_widths, client_schema, renamed, shown_plan
from flight_server.query.results.running_query import FinishedQuery, QueryLoop, Running, RunningQuery
from flight_server.query.scan.catalog import Lookup, ScopeCatalog, naming_namespace
from flight_server.query.scan.cold_scan import ColdScans, outside_runtime
from flight_server.query.scan.dependencies import Dependencies, JoinWay
from flight_server.query.scan.scope import QueryScope
from flight_server.query.scan.table_scan import RowView, TableScans
from flight_server.query.selective import is_selective
from flight_server.query.sessions.contexts import Contexts
from flight_server.query.sessions.file_turnover import FileTurnover, no_turnover
from flight_server.query.sessions.frame_types import cast_columns, schema_of
from flight_server.query.sessions.framing import Bound, Params, Unbound
from flight_server.query.sessions.settings import QuerySettings
from flight_server.query.times.day_times import with_day_times
from flight_server.query.times.far_times import fitting
from storage.catalog.schema import DELETED, SYSTEM_COLUMNS, ViewDef
from storage.cold.file_store import FileStores
from storage.errors import Cancelled, InvalidRequest, PermissionDenied

POLL_SECONDS: Final = 0.05
LONG_JOIN: Final = "a join without an equality looks at very many pairs of rows"
OPENING_MIN: Final = 32  # files that plans may look up at once
OPENING_A_THREAD: Final = 8
COLD_PLANS_MAX: Final = 512  # list-of-files scans kept, with the statistics of their files

_EXPLAIN = re.compile(r"\A\s*explain\s+(analyze\s+)?(verbose\s+)?", re.IGNORECASE)
_EXPLAIN_COLUMNS: Final = ["plan_type", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement that can be started, more than once.

    schema:     what clients see: in FlightInfo, in prepared statements and in the stream alike
    parameters: "1", "2", .. -> the type each placeholder wants, null when unknown; empty when bound
    logical:    what DataFusion runs
    shown:      the same as indented text
    touched:    what it reads
    time_zone:  what it runs in
    explained:  plans again, for the physical plan with estimates of rows
    care:       how it is kept from faults of the engine
    repeats:    what its rows may be kept under; None = they may be others the next time
    apart:      what runs it in a process of its own, and why
    bounds:     of its values
    """

    schema: pa.Schema
    parameters: Mapping[str, pa.DataType]
    logical: LogicalPlan = field(repr=False)
    shown: str = field(repr=False)
    touched: Dependencies = field(repr=False)
    time_zone: str
    explained: Callable[[], str] = field(repr=False)
    apart: Apart = field(repr=False)
    bounds: Bounds = BOUNDED
    care: Care = NO_CARE
    repeats: Hashable = None


class QueryEngine:
    """Plans and runs statements. Safe to use from any thread."""

    def __init__(
        self,
        settings: QuerySettings,
        spill_directory: Path,
        file_stores: FileStores,
        mended: frozenset[str] = ALL_MENDED,
        *,
        sandbox: Sandbox | None = None,
        apart_reason: str = "",
        turnover: FileTurnover | None = None,
    ) -> None:
        """`spill_directory` is emptied: what is in it is left from a crash.

        mended:  names of the faults of the engine that users are kept from; fewer only to show that each is needed
        sandbox: runs what may do harm; None = that runs here, too
        apart_reason: why this engine is one of a statement that runs apart, for EXPLAIN
        turnover: of cold files; None = none is removed while this engine runs
        """
        self._sandbox = sandbox
        self._apart_reason = apart_reason
        self._mended = Mended(mended)
        os.environ.setdefault("TOKIO_WORKER_THREADS", str(settings.engine_threads))
        shutil.rmtree(spill_directory, ignore_errors=True)
        spill_directory.mkdir(parents=True)
        self._settings = settings
        self._file_stores = file_stores
        runtime = (
            RuntimeEnvBuilder()
            .with_disk_manager_specified(str(spill_directory))
            .with_fair_spill_pool(settings.memory_bytes_max)
        )
        self._contexts = Contexts(settings, runtime, turnover or no_turnover())
        # Home of all kept scans. No statement runs in it, and no table is ever registered in it.
        self._base = self._contexts.base()
        self._scans = TableScans(self._base, ColdScans(self._base, file_stores, COLD_PLANS_MAX))
        self._plans: PlanCache[Plan] = PlanCache()
        self._rewrites = KeptRewrites()
        self.constants = ConstantAnswers()
        self.results = ResultCache(settings.result_cache_bytes_max)
        self._opening = FileLookups(max(OPENING_MIN, OPENING_A_THREAD * settings.engine_threads))
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

        Raises: InvalidRequest and its kin (SQLSTATE tells which), NotFound, NotSupported, PermissionDenied, Corruption.
        """
        rows = rows or row_view(sql)
        if scope.has_temporary:
            with naming_namespace(scope.namespace):
                return self._planned(sql, scope, params, rows, casts or {})
        if params or casts or scope.extra:
            return self._planned(sql, scope, params, rows, casts or {})
        key = (sql, scope.namespace, scope.time_zone, rows, scope.caller)
        found = self._plans.get(scope.state, key) or self._plans.get(scope.state, (*key, scope.owner_key))
        if found is not None and scope.now_ms <= found.touched.until_ms:
            self._check(found.touched, scope)
            return found
        plan = self._planned(sql, scope, None, rows, {})
        if not plan.touched.passing:
            whose: Hashable = (*key, scope.owner_key) if plan.touched.is_owned else key
            plan = replace(plan, repeats=whose if is_repeatable(plan.shown, plan.touched) else None)
            self._plans.put(scope.state, whose, plan)
        return plan

    def _check(self, touched: Dependencies, scope: QueryScope) -> None:
        """What planning checks, for a plan that is there already."""
        for name in touched.names:
            scope.allow(name)
        for table, partition in touched.stored:
            self._scans.check_files(table, partition)

    def _planned(
        self, sql: str, scope: QueryScope, params: Params | None, rows: RowView, casts: Mapping[str, pa.DataType]
    ) -> Plan:
        touched = Dependencies()
        catalog = ScopeCatalog(Lookup(self._base, self._scans, scope, rows, self._plan_view, touched))
        with self._contexts.lent(catalog) as context:
            framed = Bound(context, params) if params or "$" not in sql else Unbound(context, self._base)
            careful = self._careful(sql, framed, scope, touched, params)
            frame = cast_columns(self._contexts.analyzer, careful.frame, casts)
            logical = frame.logical_plan()
            text = logical.display_indent()
            bounds = self._bounds(logical, text, careful.sql, params, touched)
            why = bounds.apart
            apart = Apart(why or LONG_JOIN, sql, scope, params, rows, casts, touched, grows=why is not None)
            parameters = framed.parameters(careful.sql, careful.frame, may_fold=why is None)
            schema = renamed(client_schema(schema_of(self._contexts.analyzer, frame, text)), careful.names)
        check_widths(schema)
        if touched.opened and schema.names == _EXPLAIN_COLUMNS:
            raise PermissionDenied("EXPLAIN shows what lies under a view, which you may read only through the view")
        explained = partial(self._explained, catalog, careful.sql, params)
        care = self._mended.care(text, careful.steps)
        return Plan(schema, parameters, logical, text, touched, catalog.time_zone, explained, apart, bounds, care)

    def _bounds(
        self, logical: LogicalPlan, shown: str, sql: str, params: Params | None, touched: Dependencies
    ) -> Bounds:
        if self._sandbox is None:
            return BOUNDED
        return self._sandbox.bounds_of(logical, shown, sql, params, touched.row_bytes)

    def _careful(
        self,
        sql: str,
        framed: Bound | Unbound,
        scope: QueryScope,
        touched: Dependencies,
        params: Params | None,
        *,
        within: bool = False,
    ) -> CarefulFrame:
        """The text, which may be a view's, as it is right with this engine, and its frame. Raises FrostlineError."""
        written = written_out(SqlText(sql), scope.words).sql
        touched.passing |= written != sql
        sql = written
        if not self._mended.has_far_times:
            return self._rewritten(sql, framed, scope, params, within=within)
        careful = self._rewritten(in_microseconds(with_day_times(sql)), framed, scope, params, within=within)
        fitted, frame = fitting(careful.sql, careful.frame, touched, framed, params)
        return replace(careful, sql=fitted, frame=frame)

    def _rewritten(
        self, sql: str, framed: Bound | Unbound, scope: QueryScope, params: Params | None, *, within: bool
    ) -> CarefulFrame:
        """Looked up, for a text that came before under the same catalog, with parameters of the same types."""
        catalog = scope.state.catalog
        types = tuple((name, value.type) for name, value in (params or {}).items())
        key = (sql, scope.namespace, scope.caller, types, row_view(sql), scope.has_temporary, within)
        kept = None if scope.extra else self._rewrites.get(catalog, key)
        if kept is not None:
            return CarefulFrame(framed(kept.sql), kept.sql, kept.steps, kept.names)
        careful = careful_frame(sql, framed, scope, self._mended.steps, within=within)
        if not scope.extra:
            self._rewrites.put(catalog, key, KeptRewrite(careful.sql, careful.steps, careful.names))
        return careful

    def start(self, plan: Plan, admit: Admit = admitted) -> Running:
        """Begin to run; rows come through what is returned. A short statement has run then.

        admit: called before a statement that is not short begins; what it raises ends it. Twice for a join that must
               run apart, which is seen late

        Raises: LimitExceeded (a join that would hardly end), Cancelled (closed), what constant folding finds (1/0);
        for a short statement whatever running it finds.
        """
        if self._loop.loop.is_closed():
            raise Cancelled("the server is stopping")
        is_explain = plan.schema.names == _EXPLAIN_COLUMNS
        reasons = (*plan.care.reasons, *([f"in a process of its own: {self._apart_reason}"] * bool(self._apart_reason)))
        rewrite = shown_plan(self._file_stores.bases(), reasons) if is_explain else None
        shape = Shape(plan.schema, self._settings.message_bytes_max, rewrite)
        if plan.bounds.apart is not None:
            return self._start_apart(plan, admit)
        kept = self.results.get(plan.repeats, plan.touched)
        if kept is not None:
            return FinishedQuery(plan.schema, kept)
        try:
            if is_short(plan.shown, plan.touched.rows):
                return self._run_short(plan, shape)
            admit(False)
            stream = self._stream(plan)
        except BaseException as error:
            raise_unplanned(error)
        if stream is None:
            return self._start_apart(plan, admit)
        recording = self.results.recording(plan.repeats, plan.touched)
        limit = self._settings.result_buffer_bytes_max
        return RunningQuery(self._loop.loop, stream, shape, query_error, limit, recording)

    def _run_short(self, plan: Plan, shape: Shape) -> FinishedQuery:
        with self._opening.of(plan.touched.files):
            finished = FinishedQuery.of_batches(self._frame(plan, partitions=1).collect(), shape)
        self.constants.keep(plan.apart.sql, plan.shown, plan.touched, finished)
        self.results.keep(plan.repeats, plan.touched, finished.messages)
        return finished

    def finished(self, row: pa.RecordBatch) -> FinishedQuery:
        """What `start` gives for an answer that is known; with the schema that clients see."""
        return FinishedQuery.of_batches([row], Shape(row.schema, self._settings.message_bytes_max))

    def _start_apart(self, plan: Plan, admit: Admit) -> Running:
        assert self._sandbox is not None
        admit(True)
        return self._sandbox.start(plan.apart, Shape(plan.schema, self._settings.message_bytes_max))

    def _stream(self, plan: Plan) -> RecordBatchStream | None:
        """None for a join that could not be stopped: it must run apart."""
        if plan.touched.join_way is None:
            plan.touched.join_way = self._join_way(plan)
        if plan.touched.join_way is JoinWay.APART:
            return None
        partitions = 1 if plan.touched.join_way is JoinWay.ONE_THREAD else None
        with self._opening.of(plan.touched.files):
            return self._frame(plan, partitions).execute_stream()

    def _join_way(self, plan: Plan) -> JoinWay:
        """Joins are planned once more to look, since a stream that has been made is running already. Raises
        LimitExceeded (one that would hardly end)."""
        if not may_join(plan.shown) or not has_unyielding_join(self._physical(plan)):
            return JoinWay.USUAL
        with self._opening.of(plan.touched.files):
            explained = plan.explained()
        refuse_endless_joins(explained)
        if self._sandbox is not None and has_long_join(explained, self._settings.batch_rows):
            return JoinWay.APART
        return JoinWay.ONE_THREAD if has_unkeyed_join(explained) else JoinWay.USUAL

    def _physical(self, plan: Plan) -> str:
        with self._opening.of(plan.touched.files):
            return self._frame(plan).execution_plan().display_indent()

    def _frame(self, plan: Plan, partitions: int | None = None) -> DataFrame:
        """A frame of its own for each run: it keeps its last physical plan, with hash tables in it."""
        if plan.care.many_partitions and partitions == 1:
            partitions = 2
        context = self._contexts.runner(
            plan.time_zone,
            partitions=partitions,
            without=plan.care.without,
            batch_rows=plan.bounds.batch_rows,
            pushed=is_selective(plan.shown, plan.touched),
        )
        return context.create_dataframe_from_logical_plan(plan.logical)

    def collect(self, plan: Plan, cancelled: Callable[[], bool], admit: Admit = admitted) -> pa.Table:
        """Run to the end and give everything. Raises as `stream`."""
        return pa.Table.from_batches(list(self.stream(plan, cancelled, admit)), schema=plan.schema)

    def stream(self, plan: Plan, cancelled: Callable[[], bool], admit: Admit = admitted) -> Iterator[pa.RecordBatch]:
        """Run, batch by batch. Raises Cancelled soon after `cancelled()` is true, and what running raises."""
        running = self.start(plan, admit)
        batches = running.batches()
        while True:
            waits = True
            while waits:  # asked before each batch, too: a fast query is never waited for
                if cancelled():
                    running.cancel()
                    raise Cancelled("the statement was cancelled")
                waits = not running.wait(POLL_SECONDS)
            batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @property
    def settings(self) -> QuerySettings:
        return self._settings

    def close(self) -> None:
        """Cancel what runs and stop the loop thread."""
        self._loop.close()
        if self._sandbox is not None:
            self._sandbox.close()

    def _plan_view(self, view: ViewDef, lookup: Lookup) -> Table:
        """Called back while DataFusion plans, hence on a thread of its own."""
        within = ScopeCatalog(replace(lookup, rows=row_view(view.sql)))

        def planned() -> Table:
            with self._contexts.lent(within) as context:
                framed = Bound(context, None)
                careful = self._careful(view.sql, framed, lookup.scope, lookup.touched, None, within=True)
                if careful.names:
                    raise InvalidRequest(
                        f"view '{view.name}' has two columns of the name '{next(iter(careful.names.values()))}'",
                        sqlstate="42701",
                    )
                return careful.frame.into_view()

        return outside_runtime(planned)

    def _explained(self, catalog: ScopeCatalog, sql: str, params: Params | None) -> str:
        text = f"EXPLAIN {_EXPLAIN.sub('', sql, count=1)}"
        with self._contexts.lent(catalog, explained=True) as context:
            return str(Bound(context, params)(text).to_pydict()["plan"][-1])


def row_view(sql: str) -> RowView:
    """Which columns and row versions the text asks for, by naming system columns."""
    return RowView(system_columns=mentions(sql, SYSTEM_COLUMNS), show_deleted=mentions(sql, (DELETED,)))
