"""Calls: who may begin one, how many there may be, and what becomes of one whose client is gone.

Every call passes the middleware before a handler sees it. What waits has a limit; a call that nobody waits for any
more is cancelled.
"""
