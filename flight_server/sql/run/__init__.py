"""How statements are run that are no change of rows and no definition: queries, jobs, sessions, live queries, ingest.

`in_scope` opens the scope of whatever changes something or answers with a small table.
"""
