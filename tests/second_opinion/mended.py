"""One function takes mendings out of the query engine, so that a run shows what they are good for."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any, Final

from flight_server.query.engine import QueryEngine
from flight_server.query.settings import QuerySettings
from storage.files import Places

FAULTS_MODULE: Final = "flight_server.query.engine_faults"


class NoMendings(Exception):
    """This engine can't leave mendings out; run without --without."""


def query_engine(settings: QuerySettings, spill: Path, places: Places, without: frozenset[str]) -> QueryEngine:
    """An engine without the mendings of faults of these kinds. Raises NoMendings."""
    if not without:
        return QueryEngine(settings, spill, places)
    if "mended" not in inspect.signature(QueryEngine.__init__).parameters:
        raise NoMendings("the query engine has no parameter `mended` yet: nothing can be taken out")
    faults = list(importlib.import_module(FAULTS_MODULE).FAULTS)
    unknown = without - {fault.kind for fault in faults}
    if unknown:
        raise NoMendings(f"no fault is of kind {', '.join(sorted(unknown))}")
    make: Any = QueryEngine
    return make(settings, spill, places, mended=frozenset(fault.name for fault in faults if fault.kind not in without))
