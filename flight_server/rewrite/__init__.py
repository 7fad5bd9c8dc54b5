"""Queries that the pinned engine answers wrongly, or refuses without need, written so that it answers them right.

Text goes in and text comes out; the tree in between is sqlglot's, in a dialect that changes nothing by itself. What a
name means is asked of the engine, through a port. Nothing here plans or runs a query.
"""
