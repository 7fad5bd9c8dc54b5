"""SHOW and DESCRIBE: small tables about the catalog and the session."""
