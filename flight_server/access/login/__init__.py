"""Log-in: from what a client shows to a proven user.

Passwords, bearer tokens, certificates and tokens of identity providers. A wrong one costs the server as little, and
tells as little, as an unknown user.
"""
