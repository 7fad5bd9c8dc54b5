"""Errors of the engine as ours: a class, an SQLSTATE and one clean sentence.

Rules go by the words of the engine itself, never by those of a caller.
"""
