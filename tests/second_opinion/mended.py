"""Mendings are taken out of the query engine, and out of the way in, so that a run shows what they are good for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from flight_server.query.care.engine_faults import FAULTS
from flight_server.query.engine import QueryEngine
from flight_server.query.sessions.settings import QuerySettings
from storage.cold.file_store import FileStores

KINDS: Final = tuple(dict.fromkeys(fault.kind for fault in FAULTS))
# What lies beneath a NULL struct is cleared where rows come in; each of these modules has the name for itself.
_CLEARING: Final = {
    "K5": ("flight_server.sql.change.row_conversion.cleared", "flight_server.query.scan.catalog.cleared_batch")
}


class NoMendings(Exception):
    """There is no such kind."""


def query_engine(settings: QuerySettings, spill: Path, places: FileStores, without: frozenset[str]) -> QueryEngine:
    """An engine without the mendings of faults of these kinds. Raises NoMendings."""
    unknown = without - set(KINDS)
    if unknown:
        raise NoMendings(f"no fault is of kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    mended = frozenset(fault.name for fault in FAULTS if fault.kind not in without)
    return QueryEngine(settings, spill, places, mended)


@contextmanager
def not_cleared(without: frozenset[str]) -> Iterator[None]:
    """Rows come in as they are, if that is one of the mendings."""
    with pytest.MonkeyPatch.context() as patch:
        for kind in without:
            for name in _CLEARING.get(kind, ()):
                patch.setattr(name, _as_it_is)
        yield


def _as_it_is(values: Any) -> Any:
    return values
