"""Planning: what is due, and when to look.

Planners ask the newest state and submit jobs; they move no rows.
"""
