"""Primary keys: which version of a row has a key, and rows found by their key.

Keys as bytes sort as their values do. A key has one live version at most; a bulk load reserves its keys while it
runs, and what a load that was given up left behind means nothing.
"""
