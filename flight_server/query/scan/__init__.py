"""Scans: tables as the engine sees them while it plans one statement.

A table is its cold files UNION ALL its hot rows, without the deleted versions, as the caller may see them.
"""
