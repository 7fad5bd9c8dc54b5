"""Timestamps of the years 1 to 9999, where the engine would compute in nanoseconds, which end in 1677 and 2262.

Texts are rewritten before the engine sees them: literals and casts without a precision have microseconds, and times
that meet are brought to microseconds first. What needs no such thing stays as it is.
"""
