"""Listen addresses are checked before anything is opened, and refused in the operator's words."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from flight_server.access.settings import AccessSettings
from flight_server.flight.settings import ServerSettings
from storage.errors import FrostlineError, InvalidRequest

_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


class AddressUnavailable(FrostlineError):
    """The address can't be listened on; free it or choose another."""

    sqlstate = "58000"


def uses_tls(server: ServerSettings) -> bool:
    return bool(server.tls_certificate)


@lru_cache(maxsize=1024)  # asked for each call
def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. A name that is not an address is not trusted to be."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1024)  # asked for each call of a connection
def is_local_peer(peer: str) -> bool:
    """Whether a call comes from this machine, by gRPC's word: `ipv4:127.0.0.1:4000`, `ipv6:[::1]:4000`, `unix:..`.

    A proxy on this machine hides who is behind it.
    """
    kind, _, address = peer.partition(":")
    if kind == "unix":
        return True
    host = unquote(address).rpartition(":")[0].strip("[]").partition("%")[0].removeprefix("::ffff:")
    return kind in ("ipv4", "ipv6") and is_loopback(host)


def check_exposure(server: ServerSettings, access: AccessSettings) -> None:
    """Raises InvalidRequest when passwords would cross a network in the clear, or TLS is set by half."""
    if access.certificate_users and not server.tls_client_ca:
        raise InvalidRequest("access.certificate_users needs server.tls_client_ca, which says whose certificates count")
    if bool(server.tls_certificate) != bool(server.tls_key):
        raise InvalidRequest("server.tls_certificate and server.tls_key go together: set both or none")
    if server.tls_client_ca and not uses_tls(server):
        raise InvalidRequest("server.tls_client_ca needs server.tls_certificate and server.tls_key")
    if not (is_loopback(server.host) or uses_tls(server) or server.insecure):
        raise InvalidRequest(
            f"server.host '{server.host}' can be reached from other machines: set server.tls_certificate and "
            "server.tls_key, or server.insecure = true if the network is trusted"
        )


def check_free(host: str, port: int) -> None:
    """Raises AddressUnavailable when something listens there, or the host is not one of this machine's.

    gRPC itself would not notice: it shares ports (SO_REUSEPORT), and clients would meet either server.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise AddressUnavailable(
            f"can't listen on {host}:{port} ({error.strerror}); set server.port or --port"
        ) from error


def flight_uri(host: str, port: int, *, tls: bool) -> str:
    """`grpc://127.0.0.1:4747`; an IPv6 address stands in brackets."""
    shown = f"[{host}]" if ":" in host else host
    return f"{'grpc+tls' if tls else 'grpc'}://{shown}:{port}"
