"""Rewrites of subqueries that the engine decorrelates wrongly, or not at all."""
