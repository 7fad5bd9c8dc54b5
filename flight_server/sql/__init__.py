"""The execution of statements: from a text and a session to an outcome.

`executor` is the door: it reads the text, opens the scope that the statement runs in, asks for its rights, runs it, and
lists it until it ends. What a statement changes is there whole or not at all.
"""
