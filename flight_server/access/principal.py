"""Principal is who a call is made by, once that is proven."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A user of the catalog and the role they had when they logged in."""

    name: str
    role: str
