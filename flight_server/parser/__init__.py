"""The parser: from a text of SQL to statements, as values. Touches no data.

`read_text` is its door: guard, dialect, cut, grammar.
"""
