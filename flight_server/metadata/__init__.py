"""What exists and what the server can do, as Arrow tables with the protocol's exact schemas. No SQL, no I/O."""
