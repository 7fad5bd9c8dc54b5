"""Care with the engine: which of its known faults a plan may meet, and what keeps users from them.

Each fault has a name, a test that shows it, and a mending that can be taken out to see that it is needed.
"""
