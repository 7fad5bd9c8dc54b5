"""The state: the database at one moment, and how it may change. Pure.

A state is immutable, so whoever holds one reads one moment without locks. Transitions are functions from state to
state; an edit is a change as a value. Snapshots tell which states are still read.
"""
