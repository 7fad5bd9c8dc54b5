"""What is flat and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.soak.sample import Sample
from tests.soak.samples import FIRST
from tests.soak.verdict import HELD, is_long_enough, longest_gap_seconds, marks


def series(name: str, *, settled: int, end: int, minutes: int = 60) -> list[Sample]:
    """Rises from 1 to `settled` in ten minutes, then jumps to `end` at half an hour; every 7th sample is wild."""
    found = []
    for seconds in range(0, minutes * 60, 10):
        value = max(1, settled * seconds // 600) if seconds < 600 else settled if seconds < 1800 else end
        found.append(replace(FIRST, seconds=seconds, **{name: value * (3 if seconds % 70 == 60 else 1)}))
    return found


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize(("end", "is_flat"), [(400, True), (380, True), (419, True), (421, False), (900, False)])
def test_what_is_held_may_grow_by_a_twentieth_after_ten_minutes(name: str, end: int, is_flat: bool):
    found = {mark.name: mark for mark in marks(series(name, settled=400, end=end))}
    assert (found[name].settled, found[name].end) == (400, end)
    assert found[name].is_flat is is_flat
    assert all(mark.is_flat for other, mark in found.items() if other != name)


def test_what_goes_up_and_down_is_told_and_not_judged():
    found = {mark.name: mark for mark in marks(series("cold_files", settled=10, end=90))}
    assert found["cold_files"].more_share == 8.0
    assert found["cold_files"].most == 270
    assert found["cold_files"].is_flat


@pytest.mark.parametrize(("minutes", "is_enough"), [(0.2, False), (10, False), (18, False), (20, True), (60, True)])
def test_a_run_needs_time_for_both_looks(minutes: float, is_enough: bool):
    samples = [replace(FIRST, seconds=seconds) for seconds in range(0, int(minutes * 60), 10)]
    assert is_long_enough(samples) is is_enough
    assert all(mark.is_flat for mark in marks(samples))


def test_a_gap_is_seen():
    samples = [replace(FIRST, seconds=seconds) for seconds in (0, 10, 20, 500, 510)]
    assert longest_gap_seconds(samples) == 480
    assert longest_gap_seconds(samples[:1]) == 0
