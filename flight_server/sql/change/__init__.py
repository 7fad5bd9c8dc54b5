"""Changes of rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE, and bulk loads.

Each runs the SELECT behind it and hands rows to the transaction: all of them or none.
"""
