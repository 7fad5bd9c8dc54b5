"""Commits: the one thread that changes the database, and who is told of it.

Edits are checked one after the other and written as one atomic, durable group. A commit that returned is on disk; one
that was refused changed nothing. Listeners are told of each change after it can be read.
"""
