"""Live queries: results that do not end, fed by the change feed of storage."""
