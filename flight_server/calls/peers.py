"""`close_connection` closes the connection to a client: the one way to end what gRPC waits for a client to do.

gRPC for Python's Flight has no call for it, so the socket is found among the process's own, by the two addresses.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_OWN_FILES: Final = ("/proc/self/fd", "/dev/fd")


def close_connection(peer: str) -> None:
    """End all calls on the connection from `peer` ("ipv4:10.0.0.1:5000"), if it is still there."""
    address = address_of(peer)
    if address is None:
        return
    for number in _own_files():
        found = _socket(number)
        if found is not None:
            with found, suppress(OSError):
                if _is_peer(found, address):
                    found.shutdown(socket.SHUT_RDWR)


def address_of(peer: str) -> tuple[str, int] | None:
    """Host and port of gRPC's name for a peer; None for one without."""
    kind, _, place = unquote(peer).partition(":")
    host, _, port = place.rpartition(":")
    if kind not in ("ipv4", "ipv6") or not port.isdecimal():
        return None
    return host.removeprefix("[").removesuffix("]").removeprefix("::ffff:"), int(port)


def _own_files() -> list[int]:
    place = next((place for place in _OWN_FILES if Path(place).is_dir()), None)
    return [] if place is None else [int(name) for name in os.listdir(place) if name.isdecimal()]


def _socket(number: int) -> socket.socket | None:
    """A handle of its own for one of the process, so that it stays the same one, whatever becomes of `number`."""
    try:
        own = os.dup(number)
    except OSError:  # closed meanwhile
        return None
    try:
        return socket.socket(fileno=own)
    except OSError:  # a file
        os.close(own)
        return None


def _is_peer(found: socket.socket, address: tuple[str, int]) -> bool:
    """Raises OSError if it is not connected."""
    if found.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    host, port, *_ = found.getpeername()
    return (str(host).removeprefix("::ffff:"), port) == address
