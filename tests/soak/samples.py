"""A sample of a soak."""

from __future__ import annotations

from tests.soak.sample import Sample

FIRST = Sample(0, 300, 200, 60, 70, 1000, 500, 10, 100, 100, 50, 0, 2, 1, 0, 0)
