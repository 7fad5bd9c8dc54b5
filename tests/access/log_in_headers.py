"""Headers of a log-in with a password."""

from __future__ import annotations

import base64


def basic(name: str, password: str) -> dict[str, list[str]]:
    return {"authorization": ["Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()]}
