"""A part of the sweep over functions, types and shapes; `python -m tests.sandbox.sweep` runs all of it."""

from __future__ import annotations

import itertools

from tests.sandbox.hostile import hostile_shapes, hostile_types
from tests.sandbox.sweep import statements, sweep

SECONDS = 1.0


def test_no_shape_and_no_type_ends_the_process_or_hangs():
    asked = [*hostile_shapes(), *itertools.islice(hostile_types(), 0, None, 7)]
    assert [outcome for outcome in sweep(asked, SECONDS) if outcome.is_wrong] == []


def test_no_function_ends_the_process_or_hangs():
    asked = itertools.islice(statements(5), 0, None, 5)
    assert [outcome for outcome in sweep(asked, SECONDS) if outcome.is_wrong] == []
