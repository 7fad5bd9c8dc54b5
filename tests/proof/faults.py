"""The faults of the query engine that we know, and what a run of their tests said of each."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Final, Protocol

from tests.proof.junit import Result, Results

MODULE: Final = "flight_server.query.care.engine_faults"


class Fault(Protocol):
    """An entry of FAULTS there."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str:
        """K1 .. K10l, as in the report that found it."""

    @property
    def what(self) -> str:
        """What comes wrong, in a sentence."""

    @property
    def upstream(self) -> str:
        """Numbers of reports and pull requests of apache/datafusion, or words: "not reported", "duckdb 18540"."""

    @property
    def kept_by(self) -> str:
        """What of ours keeps it from users."""

    @property
    def test(self) -> str:
        """The pytest node that fails if it comes through."""


def known_faults() -> Sequence[Fault]:
    """FAULTS, looked up when needed. Raises ModuleNotFoundError."""
    faults: Sequence[Fault] = importlib.import_module(MODULE).FAULTS
    return faults


def nodes(faults: Sequence[Fault]) -> list[str]:
    """Every test once."""
    return list(dict.fromkeys(fault.test for fault in faults))


def missed_first(faults: Sequence[Fault], results: Results) -> list[tuple[Fault, Result]]:
    """Each with its result: those that came through, those of which nothing is known, and those that are kept away."""
    judged = [(fault, results.of(fault.test)) for fault in faults]
    return sorted(judged, key=lambda item: list(Result).index(item[1]))  # equals stay in the order of FAULTS
