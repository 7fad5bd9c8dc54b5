"""Trees of SQL: a query as sqlglot reads it, its blocks, its names.

`dialect` is the only reader and writer: what is read is written back with the same meaning.
"""
