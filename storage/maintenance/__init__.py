"""Maintenance: what jobs do to what is stored. Functions over the engine.

Flush, compaction, retention, eviction, relocation, cleanup, sweep, scrub. Each plans with a pure function, acts, and
commits one edit; each is safe to interrupt anywhere and to repeat.
"""
