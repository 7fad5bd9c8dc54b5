"""Sessions: what the server remembers of a caller between calls.

A session ends after idling, at the latest; what ends it is told to its next call, and nothing of it is stored by
itself.
"""
