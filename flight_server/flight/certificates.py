"""Certificates are read and checked before anything listens, so that a mistake is told in one clear line.

gRPC takes the certificate when the port is opened and never again, and pyarrow has no way to hand it another: a
renewed one is taken up by a restart. Until then the old one is shown, and clients refuse it once it has expired.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from flight_server.flight.settings import ServerSettings
from storage.clock import Clock
from storage.errors import InvalidRequest

WARN_BEFORE: Final = timedelta(days=21)


@dataclass(frozen=True, slots=True, repr=False)
class Tls:
    """PEM texts. With `client_ca` set, clients must show a certificate that it signed."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None


def read_tls(server: ServerSettings, clock: Clock) -> Tls | None:
    """None without TLS. Raises InvalidRequest: unreadable, no PEM, expired, a key of another certificate."""
    if not server.tls_certificate:
        return None
    certificate, key = _pem("tls_certificate", server.tls_certificate), _pem("tls_key", server.tls_key)
    client_ca = _pem("tls_client_ca", server.tls_client_ca) if server.tls_client_ca else None
    now = datetime.fromtimestamp(clock.wall_ms() / 1000, UTC)
    own = _certificates("tls_certificate", server.tls_certificate, certificate)
    _check_time("tls_certificate", server.tls_certificate, own[0], now)
    if _public_bytes(own[0].public_key()) != _public_bytes(_private_key(server.tls_key, key).public_key()):
        raise InvalidRequest(f"server.tls_key '{server.tls_key}' is the key of another certificate")
    if client_ca is not None:
        for authority in _certificates("tls_client_ca", server.tls_client_ca, client_ca):
            _check_time("tls_client_ca", server.tls_client_ca, authority, now)
    return Tls(certificate, key, client_ca)


def _check_time(name: str, path: str, certificate: x509.Certificate, now: datetime) -> None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= now:
        raise InvalidRequest(f"server.{name} '{path}' expired on {ends:%Y-%m-%d}: renew it")
    if begins > now:
        raise InvalidRequest(f"server.{name} '{path}' is not valid before {begins:%Y-%m-%d}: look at the clock")
    if ends - now < WARN_BEFORE:
        log = structlog.get_logger("server")
        log.warning("certificate_expires_soon", setting=f"server.{name}", on=f"{ends:%Y-%m-%d}")


def _pem(name: str, path: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InvalidRequest(f"server.{name} '{path}' can't be read: {error.strerror}") from error
    if b"-----BEGIN" not in content:
        raise InvalidRequest(f"server.{name} '{path}' is not a PEM file")
    return content


def _certificates(name: str, path: str, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise InvalidRequest(f"server.{name} '{path}' holds no certificate that can be read") from None


def _private_key(path: str, content: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(content, password=None)
    except TypeError:
        raise InvalidRequest(f"server.tls_key '{path}' is locked with a password: give it without one") from None
    except ValueError:
        raise InvalidRequest(f"server.tls_key '{path}' holds no private key that can be read") from None


def _public_bytes(key: PublicKeyTypes | CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
