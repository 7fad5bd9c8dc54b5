"""The target of a bad network."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.support.server_process import ServerProcess


def target_of(server: ServerProcess) -> tuple[str, int]:
    parts = urlsplit(server.uri)
    return parts.hostname or "", parts.port or 0
