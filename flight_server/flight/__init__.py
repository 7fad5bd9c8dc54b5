"""The Flight service: from a call to an answer.

Handlers decode, ask the rooms behind, and encode; no error leaves them but as a Flight error. Rows stream through
bounded buffers, so a slow client holds up nobody else.
"""
