"""Beside the server: the demo, and the real data that it and some tests load."""
