"""PlanCache keeps plans of texts that come again: dashboards, probes, and clients that prepare and then execute.

A plan is good for one state of the database. So all plans go as soon as a statement comes with another state; what
is kept is never older than what was last asked for. Access and the health of cold files are looked at each time,
which is the caller's part: an entry tells what to look at.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from storage.state.state import DatabaseState

PLANS_MAX: Final = 256

Entry = TypeVar("Entry")


class PlanCache(Generic[Entry]):
    """The most recently used plans of one state. Safe from any thread."""

    def __init__(self, plans_max: int = PLANS_MAX) -> None:
        self._plans_max = plans_max
        self._lock = threading.Lock()
        self._state: DatabaseState | None = None
        self._plans: OrderedDict[Hashable, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._plans)

    def get(self, state: DatabaseState, key: Hashable) -> Entry | None:
        """The plan for this key and this very state."""
        with self._lock:
            if self._state is not state:
                self._state = state
                self._plans.clear()
            found = self._plans.get(key)
            if found is not None:
                self._plans.move_to_end(key)
            return found

    def put(self, state: DatabaseState, key: Hashable, plan: Entry) -> None:
        """Keep it, unless another state has come meanwhile."""
        with self._lock:
            if self._state is not state:
                return
            self._plans[key] = plan
            if len(self._plans) > self._plans_max:
                self._plans.popitem(last=False)
