"""Definitions: tables, views, namespaces, users, storages.

Each is a function from catalog to catalog, committed with its record in the audit log.
"""
