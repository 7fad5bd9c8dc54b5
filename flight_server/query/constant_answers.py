"""ConstantAnswers caches the rows of texts that select literals: `SELECT 1`, which pools and health checks repeat.

An answer belongs to the text alone: only literals as the engine's plan shows them, over no table at all.
"""

from __future__ import annotations

import re
from typing import Final

from flight_server.query.results.running_query import FinishedQuery
from flight_server.query.scan.dependencies import Dependencies

ANSWERS_MAX: Final = 64
TEXT_CHARACTERS_MAX: Final = 1000
_LITERAL: Final = r"(?:Int64\(-?\d+\)|Boolean\((?:true|false)\)|Utf8\(\"[\w ]*\"\))(?: AS \w+)?"
_CONSTANTS: Final = re.compile(rf"Projection: {_LITERAL}(?:, {_LITERAL})*\n  EmptyRelation: rows=1", re.ASCII)


class ConstantAnswers:
    """Safe from any thread. When it is full it begins anew: few texts come again and again, and they are cheap."""

    def __init__(self) -> None:
        self._kept: dict[str, FinishedQuery] = {}

    def get(self, sql: str) -> FinishedQuery | None:
        return self._kept.get(sql)

    def keep(self, sql: str, shown: str, touched: Dependencies, answer: FinishedQuery) -> None:
        """If it is one. shown: the plan that it came of, as indented text"""
        if len(sql) <= TEXT_CHARACTERS_MAX and touched.is_nothing and _CONSTANTS.fullmatch(shown) is not None:
            if len(self._kept) >= ANSWERS_MAX:
                self._kept = {}
            self._kept[sql] = answer
