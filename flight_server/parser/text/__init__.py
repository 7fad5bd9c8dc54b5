"""Texts of SQL as tokens, and small things that are read from them: types, parameters, quoting.

`lexer` is the one reader of text: whoever looks into a statement looks at its tokens.
"""
