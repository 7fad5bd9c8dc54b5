"""The dialect: what other databases write, as the engine has it.

Texts in, texts out; what a text means stays the same.
"""
