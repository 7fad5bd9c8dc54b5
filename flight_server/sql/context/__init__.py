"""The context of a statement: who runs it, in which transaction, with which rights, and how it can be stopped.

A statement that has begun is listed until it ends, and ends soon after it is killed.
"""
