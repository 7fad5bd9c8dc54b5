"""Rewrites of names, columns and joins.

The columns of an answer keep their names and their order.
"""
