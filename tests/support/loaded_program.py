"""Loads the program as its command does, for the process that forks servers.

Passwords are hashed at the least cost in these: a log-in takes 60 ms of processor time otherwise, and tests connect
some thousand times. Where that time is the subject a server is started as users start it.
"""

from __future__ import annotations

import sys

from flight_server.__main__ import WithoutPandas

sys.meta_path.insert(0, WithoutPandas())
import flight_server.cli  # noqa: E402, F401  only now may pyarrow be loaded
from flight_server.access.login import passwords  # noqa: E402
from tests.support.quick_hasher import quick_hasher  # noqa: E402

setattr(passwords, "PasswordHasher", quick_hasher)  # noqa: B010  what `Passwords` makes its own with
