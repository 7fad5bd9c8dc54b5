"""KeptRewrites caches rewritten texts: what a text needs depends on the catalog, not on the rows."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from flight_server.rewrite.steps import Step
from storage.catalog.catalog import Catalog

KEPT_MAX: Final = 512
TEXT_CHARACTERS_MAX: Final = 16_384  # longer ones are hardly sent twice


@dataclass(frozen=True, slots=True)
class KeptRewrite:
    """As in CarefulFrame; a text that needs nothing is kept as it is."""

    sql: str
    steps: tuple[Step, ...]
    names: Mapping[str, str]


class KeptRewrites:
    """The most recently used ones under one catalog. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._kept: OrderedDict[Hashable, KeptRewrite] = OrderedDict()

    def get(self, catalog: Catalog, key: Hashable) -> KeptRewrite | None:
        with self._lock:
            if self._catalog is not catalog:
                self._catalog = catalog
                self._kept.clear()
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, catalog: Catalog, key: Hashable, rewrite: KeptRewrite) -> None:
        """Keep it, unless another catalog has come meanwhile."""
        with self._lock:
            if self._catalog is not catalog or len(rewrite.sql) > TEXT_CHARACTERS_MAX:
                return
            self._kept[key] = rewrite
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
