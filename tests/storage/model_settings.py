"""How long the state machine of storage runs."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

RUNS = 40


STEPS = 25


SETTINGS = settings(
    max_examples=RUNS,
    stateful_step_count=STEPS,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
