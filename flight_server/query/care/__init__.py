"""Careful planning tells which known faults of the engine a plan may meet, and keeps users from them.

Each fault has a name, a test that shows it, and a mending that can be taken out to see that it is needed.
"""
