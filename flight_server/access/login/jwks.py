"""Jwks reads the public keys of an identity provider from a file or an address, and remembers them a while.

Guarantees: only keys for signatures, with a name (`kid`), of an asymmetric kind and long enough come out of here. A
set that can't be had keeps the old one in force for a day, then nobody gets in by it. What clients send never says
where keys are looked for; an unknown name makes for one more look, at most every REFRESH_SECONDS_MIN.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlsplit

import jwt
import structlog

from storage.clock import Clock
from storage.errors import InvalidRequest

SET_BYTES_MAX: Final = 1 << 20
FETCH_SECONDS_MAX: Final = 5.0
REFRESH_SECONDS_MIN: Final = 10.0
STALE_SECONDS_MAX: Final = 86_400.0
RSA_BITS_MIN: Final = 2048
_KINDS: Final = ("RSA", "EC", "OKP")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Jwks:
    """Keys by name. Safe from any thread."""

    def __init__(self, source: str, clock: Clock, kept_seconds: float) -> None:
        """source: a path, or an https address. Raises InvalidRequest for another address."""
        self._read = _reader(source)
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._lock = threading.Lock()
        self._keys: Mapping[str, Any] = {}
        self._read_seconds: float | None = None
        self._tried_seconds: float | None = None

    def key(self, name: str) -> Any | None:
        """The public key, or None when the provider has none of that name (any more)."""
        is_due = self._is_due(self._kept_seconds) or (name not in self._keys and self._is_due(REFRESH_SECONDS_MIN))
        # With keys at hand nobody waits for a slow provider but the one who asks it.
        if is_due and self._lock.acquire(blocking=not self._keys):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._keys.get(name)

    def _is_due(self, seconds: float) -> bool:
        return self._tried_seconds is None or self._clock.monotonic_seconds() - self._tried_seconds >= seconds

    def _refresh(self) -> None:
        if not self._is_due(REFRESH_SECONDS_MIN):
            return  # somebody else did while we waited
        now = self._clock.monotonic_seconds()
        self._tried_seconds = now
        try:
            self._keys = _usable_keys(json.loads(self._read()))
            self._read_seconds = now
        except (OSError, ValueError, RecursionError, HTTPException) as error:
            structlog.get_logger("access").warning("identity_provider_keys_unreadable", reason=str(error)[:200])
            if self._read_seconds is None or now - self._read_seconds >= STALE_SECONDS_MAX:
                self._keys = {}


def _usable_keys(found: Any) -> dict[str, Any]:
    """Raises ValueError when it is no JWK set; a key that can't be used is left out."""
    listed = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise ValueError("not a JWK set")
    keys: dict[str, Any] = {}
    for item in listed:
        if isinstance(item, dict) and isinstance(item.get("kid"), str) and (key := _usable_key(item)) is not None:
            keys[item["kid"]] = key
    return keys


def _usable_key(item: Mapping[str, Any]) -> Any | None:
    if item.get("kty") not in _KINDS or item.get("use", "sig") != "sig" or "d" in item:
        return None
    try:
        key = jwt.PyJWK.from_dict(dict(item)).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    return None if item["kty"] == "RSA" and key.key_size < RSA_BITS_MIN else key


def _reader(source: str) -> Callable[[], bytes]:
    parts = urlsplit(source)
    if parts.scheme not in ("http", "https"):
        return lambda: _file(Path(source))
    if parts.username is not None or parts.password is not None:
        raise InvalidRequest("access.idp_jwks can't hold a user or password: settings are shown in system.settings")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise InvalidRequest(f"access.idp_jwks '{source}' has to begin with https://, or anybody on the way signs")
    opener = urllib.request.build_opener(_NoRedirect)
    return lambda: _fetched(opener, source)


def _file(path: Path) -> bytes:
    with path.open("rb") as stream:
        return _bounded(stream.read(SET_BYTES_MAX + 1))


def _fetched(opener: urllib.request.OpenerDirector, address: str) -> bytes:
    with opener.open(address, timeout=FETCH_SECONDS_MAX) as answer:
        return _bounded(answer.read(SET_BYTES_MAX + 1))


def _bounded(content: bytes) -> bytes:
    if len(content) > SET_BYTES_MAX:
        raise ValueError(f"more than {SET_BYTES_MAX} bytes")
    return content


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address in the settings is the one that is trusted, and no other."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        raise HTTPError(req.full_url, code, "it answers with another address", headers, fp)
