"""The catalog: what exists, as immutable values.

Namespaces, tables, views, users, storages, and what may be said of them, checked when it is made. Nothing in this room
reads or writes a file; a change is a function from catalog to catalog.
"""
