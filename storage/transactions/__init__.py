"""Transactions: private overlays of changes on a snapshot, and temporary tables.

A transaction sees its own changes and nothing that others commit after it began; COMMIT makes one edit of all. Rows
on their way in stay in memory while they are few, and go to Parquet files when they are many.
"""
