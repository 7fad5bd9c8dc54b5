"""Monitoring: the health pages, the metrics, and the log.

Reads what other rooms tell of themselves and changes nothing.
"""
