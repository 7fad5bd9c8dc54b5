"""Access: who may do what.

`grants` answers with pure functions, `rights` from the newest catalog. Log-in and sessions are rooms of their own.
"""
