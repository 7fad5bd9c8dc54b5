"""Rewrites of expressions: floats, fields of structs, divisions beside their guards, windows."""
