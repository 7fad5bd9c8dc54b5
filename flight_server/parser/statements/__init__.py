"""Statements as values: what the grammar makes of a text, and what the executors take.

Names are checked; expressions and queries stay slices of the text, for the engine to read.
"""
