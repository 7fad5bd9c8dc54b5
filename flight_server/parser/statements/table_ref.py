"""How a statement names a table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableRef:
    """`[frostline.][namespace.]table [AS alias]`."""

    namespace: str | None
    table: str
    alias: str | None = None
