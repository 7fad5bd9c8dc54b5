"""Results of queries on their way out: streams, their buffers, and the types that clients can take.

What runs ahead of its reader is bounded.
"""
