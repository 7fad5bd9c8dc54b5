"""Rewrites of clauses: GROUP BY and grouping sets, orders above limits, filters beneath a division."""
