"""Executors: one for each kind of job, repeatable after a crash at any point.

An executor does one blocking step and says what came of it; storage does the work.
"""
