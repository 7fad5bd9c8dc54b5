"""Live queries: results that do not end, fed by the change feed of storage.

A reader that is too slow is told what it missed; it never holds up a commit.
"""
