"""A soak: mixed load on one server for an hour, and what the server holds meanwhile."""
