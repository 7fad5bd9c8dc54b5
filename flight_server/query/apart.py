"""Sandbox is the port to whoever runs statements apart, in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pyarrow as pa

from flight_server.query.results.result_shape import Shape
from flight_server.query.results.running_query import Running
from flight_server.query.scan.dependencies import Dependencies
from flight_server.query.scan.scope import QueryScope
from flight_server.query.scan.table_scan import RowView

Admit = Callable[[bool], None]  # told whether the statement runs apart


def admitted(_: bool) -> None:
    """For those that wait for nobody."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A statement that must run apart.

    reason:  why, for those that look at its plan
    grows:   its rows may become large; otherwise it only goes on for long
    touched: what planning it reached: this goes along
    """

    reason: str
    sql: str = field(repr=False)
    scope: QueryScope = field(repr=False)
    params: Mapping[str, pa.Scalar] | None = field(repr=False)
    rows: RowView
    casts: Mapping[str, pa.DataType] = field(repr=False)
    touched: Dependencies = field(repr=False)
    grows: bool = True


@dataclass(frozen=True, slots=True)
class Bounds:
    """How a plan can be run.

    apart:      why it must run in a process of its own; None when it need not
    batch_rows: in batches of so many rows, as each is large; None: as any other
    """

    apart: str | None = None
    batch_rows: int | None = None


BOUNDED: Final = Bounds()


class Sandbox(Protocol):
    """Runs statements where they can do no harm. Safe from any thread."""

    def bounds_of(
        self, plan: Any, shown: str, sql: str, params: Mapping[str, pa.Scalar] | None, row_bytes: float
    ) -> Bounds:
        """Of a logical plan that is not optimized. shown: as text; row_bytes: of the largest rows that are read"""

    def start(self, apart: Apart, shape: Shape) -> Running:
        """Begin to run. Raises FrostlineError."""

    def close(self) -> None:
        """End all that runs."""
