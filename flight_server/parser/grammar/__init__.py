"""The grammar: from the tokens of one statement to its value.

Whatever is read is read to its last token, and nothing is read and forgotten.
"""
