"""Scopes are the transactions that statements run in: the session's, or one of a statement's own for each attempt.

Promises: a change is there whole or not at all, and runs again when others committed first, as long as it may. What a
transaction was allowed to do is checked again when it commits.
"""
