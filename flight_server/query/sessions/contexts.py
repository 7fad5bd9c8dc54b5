"""Contexts lend SessionContexts, each to one planning statement at a time.

Making one costs about as much as planning a short query (0.15 ms), so they are kept. What differs between two
statements is what they see: a context looks its tables up in a `LentCatalog`, which is handed the statement's own
catalog when lent and is empty again when given back. Nothing else can change in a context: statements that would
(SET, CREATE, PREPARE) are refused while planning.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any, Final

from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext, SQLOptions
from datafusion.catalog import CatalogProvider

from flight_server.query.scan.catalog import ScopeCatalog
from flight_server.query.sessions.file_turnover import FileTurnover
from flight_server.query.sessions.settings import QuerySettings
from storage.catalog.names import CATALOG, DEFAULT_NAMESPACE
from storage.errors import FrostlineError

IDLE_MAX: Final = 64  # kept contexts, of all namespaces and time zones together
RUNNERS_MAX: Final = 64
FOOTERS_AT_ONCE: Final = 8
# What each context keeps of files that were read in it: their footers and statistics. The engine does not learn that a
# file is gone, so these fill up to their limits, which by themselves are 50 MB and 20 MB for every context. Footers of
# 80 M rows in 16 columns take some 16 MB.
FILES_BYTES_MAX: Final = 16 << 20
FEW_FILES_BYTES_MAX: Final = 4 << 20  # in contexts that few statements run in
NO_RULES: Final[frozenset[str]] = frozenset()
EXTREMES_FILTER: Final = "enable_aggregate_dynamic_filter_pushdown"  # no rule, but a setting
_PUSHED_FILTERS: Final = "datafusion.execution.parquet.pushdown_filters"
_PRUNING: Final = "optimize_projections"
# All rules of the logical optimizer, in the engine's order.
LOGICAL_RULES: Final = (
    "rewrite_set_comparison", "optimize_unions", "unions_to_filter", "simplify_expressions",
    "replace_distinct_aggregate", "eliminate_join", "decorrelate_predicate_subquery", "scalar_subquery_to_join",
    "decorrelate_lateral_join", "extract_equijoin_predicate", "eliminate_duplicated_expr", "eliminate_filter",
    "eliminate_cross_join", "eliminate_limit", "propagate_empty_relation", "filter_null_join_keys",
    "eliminate_outer_join", "push_down_limit", "push_down_filter", "single_distinct_aggregation_to_group_by",
    "eliminate_group_by_constant", "common_sub_expression_eliminate", "extract_leaf_expressions",
    "push_down_leaf_projections", "optimize_projections",
)  # fmt: skip

_Key = tuple[str, str, bool]  # namespace, time zone, explained


class LentCatalog(CatalogProvider):
    """The database `frostline` as the statement sees it that has the context just now."""

    def __init__(self) -> None:
        self.within: ScopeCatalog | None = None

    def schema_names(self) -> set[str]:
        return set() if self.within is None else self.within.schema_names()

    def schema(self, name: str) -> Any:
        return None if self.within is None else self.within.schema(name)


class Contexts:
    """All contexts of one engine; safe from any thread."""

    def __init__(self, settings: QuerySettings, runtime: RuntimeEnvBuilder, turnover: FileTurnover) -> None:
        """turnover: of the files that contexts remember; with each, they forget them all"""
        self._turnover = turnover
        self._settings = settings
        self._runtime = runtime
        self._lock = threading.Lock()
        self._idle: list[tuple[_Key, SessionContext, LentCatalog]] = []  # oldest first
        self._runner = lru_cache(maxsize=RUNNERS_MAX)(self._made_runner)

    @cached_property
    def analyzer(self) -> SessionContext:
        """A context in which "optimizing" a plan settles types and computes nothing: no constant is folded."""
        return self.runner("+00:00", without=frozenset(LOGICAL_RULES))

    def base(self) -> SessionContext:
        """A context with DataFusion's own default catalog, which `read_batches` needs."""
        context = SessionContext(_config(self._settings, DEFAULT_NAMESPACE, "+00:00"), self._runtime)
        return _remembering(context, FEW_FILES_BYTES_MAX)  # the kept scans remember more

    @contextmanager
    def lent(self, catalog: ScopeCatalog, *, explained: bool = False) -> Iterator[SessionContext]:
        """A context to plan in. explained: its EXPLAIN tells estimates of rows.

        After anything but an error of ours it is thrown away: a panic may have left it half changed.
        """
        key = (catalog.namespace, catalog.time_zone, explained)
        context, lent = self._taken(key)
        lent.within = catalog
        try:
            yield context
        except FrostlineError:
            self._give_back(key, context, lent)
            raise
        self._give_back(key, context, lent)

    def runner(
        self,
        time_zone: str,
        *,
        partitions: int | None = None,
        without: frozenset[str] = NO_RULES,
        batch_rows: int | None = None,
        pushed: bool = False,
    ) -> SessionContext:
        """A context to run plans in.

        partitions: how many threads a plan may keep busy, by default as configured
        batch_rows: at most in a batch, by default as configured
        pushed:     whether filters go into the scans of Parquet files; see `selective`
        without:    rules of the optimizer, or EXTREMES_FILTER, that would make the plan wrong
        """
        if self._turnover.is_complete():
            self._forget_files()
        rows = min(batch_rows or self._settings.batch_rows, self._settings.batch_rows)
        found: SessionContext = self._runner(
            time_zone, partitions or self._settings.target_partitions, without, rows, pushed
        )
        return found

    def _forget_files(self) -> None:
        self._runner.cache_clear()
        with self._lock:
            self._idle.clear()

    def _taken(self, key: _Key) -> tuple[SessionContext, LentCatalog]:
        with self._lock:
            for at in range(len(self._idle) - 1, -1, -1):
                if self._idle[at][0] == key:
                    _, context, lent = self._idle.pop(at)
                    return context, lent
        return self._made(key)

    def _give_back(self, key: _Key, context: SessionContext, lent: LentCatalog) -> None:
        lent.within = None
        with self._lock:
            self._idle.append((key, context, lent))
            if len(self._idle) > IDLE_MAX:
                self._idle.pop(0)

    def _made(self, key: _Key) -> tuple[SessionContext, LentCatalog]:
        namespace, time_zone, explained = key
        config = _config(self._settings, namespace, time_zone, explained=explained)
        # Without DataFusion's own catalog, so that only ours can be named.
        config = config.with_create_default_catalog_and_schema(False)
        context = SessionContext(config.with_default_catalog_and_schema(CATALOG, namespace), self._runtime)
        lent = LentCatalog()
        context.register_catalog_provider(CATALOG, lent)
        return _remembering(context, FEW_FILES_BYTES_MAX) if explained else context, lent

    def _made_runner(
        self, time_zone: str, partitions: int, without: frozenset[str], batch_rows: int, pushed: bool
    ) -> SessionContext:
        config = _config(self._settings, DEFAULT_NAMESPACE, time_zone).with_target_partitions(partitions)
        config = config.with_batch_size(batch_rows)
        if pushed:
            config = config.set(_PUSHED_FILTERS, "true")
        if _PRUNING in without:  # or joins that change their sides bring back the projection that is to be kept out
            config = config.set("datafusion.optimizer.join_reordering", "false")
        if EXTREMES_FILTER in without:
            config = config.set(f"datafusion.optimizer.{EXTREMES_FILTER}", "false")
        context = SessionContext(config, self._runtime)
        for rule in sorted(without - {EXTREMES_FILTER}):
            if not context.remove_optimizer_rule(rule):
                raise RuntimeError(f"the engine has no optimizer rule '{rule}'")
        is_usual = partitions == self._settings.target_partitions and not without and not pushed
        return _remembering(context, FILES_BYTES_MAX if is_usual else FEW_FILES_BYTES_MAX)


def _remembering(context: SessionContext, bytes_max: int) -> SessionContext:
    """The context, each of whose caches of what it learned about files is bounded."""
    for cache in ("metadata_cache", "file_statistics_cache"):
        text = f"SET datafusion.runtime.{cache}_limit = '{bytes_max >> 10}K'"
        context.sql_with_options(text, SQLOptions().with_allow_statements(True))
    return context


def _config(settings: QuerySettings, namespace: str, time_zone: str, *, explained: bool = False) -> SessionConfig:
    options = {
        "datafusion.execution.parquet.schema_force_view_types": "false",
        _PUSHED_FILTERS: "false",  # 1.1x slower on TPC-H with it
        # It breaks on `m['k']` and `s['x']` over a projection that keeps the names of the columns, which ours do.
        "datafusion.optimizer.enable_leaf_expression_pushdown": "false",
        # It makes room for as many groups as LIMIT says before it sees one: a large LIMIT ends the process.
        "datafusion.optimizer.enable_topk_aggregation": "false",
        "datafusion.sql_parser.map_string_types_to_utf8view": "false",
        # Footers read at once, by itself 32. Each takes a thread of the engine, which stays: see `file_lookups`.
        "datafusion.execution.meta_fetch_concurrency": str(FOOTERS_AT_ONCE),
        "datafusion.execution.time_zone": time_zone,
        "datafusion.explain.show_statistics": "true" if explained else "false",
    }
    config = SessionConfig(options).with_information_schema(False)  # ours is virtual
    return config.with_target_partitions(settings.target_partitions).with_batch_size(settings.batch_rows)
