"""Sessions of the engine: the contexts that plans are made and run in, and the parameters that are bound to them.

A context serves one statement at a time, and is thrown away after a panic.
"""
