"""The metrics page is made anew for each scrape, in Prometheus' format. The only importer of prometheus_client.

Everything is named frostline_..; a figure that only rises ends in _total, a duration in _seconds. Nothing is counted
here: this turns what `figures` and the durations tell into text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from flight_server.sql.system.sources import Sources
from flight_server.sql.system.stats import Figure, figures_of
from storage.histograms import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "frostline_"
EXACT_MAX: Final = 1 << 53  # the format has floats: a `_seq` would be another one


class Metrics:
    """`page` may be called from any thread, several times at once."""

    def __init__(self, sources: Sources, version: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, processor time, open files: Prometheus' own names
        self._registry.register(_Frostline(sources, version))

    def page(self) -> bytes:
        return generate_latest(self._registry)


class _Frostline(Collector):
    def __init__(self, sources: Sources, version: str) -> None:
        self._sources = sources
        self._version = version

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked of the sources before the first scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        built = GaugeMetricFamily(f"{PREFIX}build_info", "The server's version", labels=["version"])
        built.add_metric([self._version], 1)
        yield built
        figures = figures_of(self._sources, self._sources.engine.state)
        yield from _families(figure for figure in figures if figure.value < EXACT_MAX)
        statements, jobs = self._sources.statements.durations.now(), self._sources.jobs.durations()
        yield _histogram("statement_seconds", "From a statement's arrival to its end", ["state"], statements)
        yield _histogram("job_seconds", "From a job's start to its end", ["type", "status"], jobs)


def _families(figures: Iterable[Figure]) -> Iterator[Metric]:
    """Figures of one name together, as the format wants them."""
    families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for figure in figures:
        family = families.get(figure.name)
        if family is None:
            kind = CounterMetricFamily if figure.is_rising else GaugeMetricFamily
            family = kind(PREFIX + figure.name, figure.means, labels=list(figure.labels))
            families[figure.name] = family
        family.add_metric(list(figure.labels.values()), figure.value)
    yield from families.values()


def _histogram(name: str, means: str, labels: list[str], spreads: Mapping[tuple[str, ...], Histogram]) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, means, labels=labels)
    for values, spread in sorted(spreads.items()):
        bounds = [*(str(bound) for bound in spread.bounds_seconds), "+Inf"]
        buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
        family.add_metric(list(values), buckets, spread.seconds)
    return family
