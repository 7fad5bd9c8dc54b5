"""Group commits: edits checked one after the other, and what they write, in memory.

An edit is checked completely before anything of it enters the group, and sees the outcome of those before it. Nothing
in this room touches the disk but look-ups of keys and of users' partitions.
"""
