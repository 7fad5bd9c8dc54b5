"""Who is calling, for how long, and what a caller's session remembers."""
