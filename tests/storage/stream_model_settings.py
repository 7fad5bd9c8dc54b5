"""How long the state machine of streams runs."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

SETTINGS = settings(
    max_examples=10, stateful_step_count=25, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)
