"""Loads the program as its command does, for the process that forks servers."""

from __future__ import annotations

import sys

from flight_server.__main__ import WithoutPandas

sys.meta_path.insert(0, WithoutPandas())
import flight_server.cli  # noqa: E402, F401  only now may pyarrow be loaded
