"""Tokens signs and checks bearer tokens: JWTs, one for each log-in, one session in each.

The algorithm is fixed here and never read from a token; all claims are required; time is the clock's.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import jwt

from flight_server.access.principal import Principal
from storage.clock import Clock
from storage.durable_files import sync_folder
from storage.errors import StorageUnavailable, Unauthenticated

_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "frostline"
_ISSUER: Final = "frostline"
_KEY_BYTES: Final = 32
_LEEWAY_SECONDS: Final = 60  # a clock that was set back a little must not lock everyone out
_TOKEN_BYTES_MAX: Final = 4096
_VERIFIED_MAX: Final = 1024  # signatures remembered as good: each call brings its token, and a check costs 80 us
_CLAIMS: Final = ["exp", "iat", "aud", "iss", "sub", "jti", "role"]


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a good token says.

    session_id: names the session that began with the log-in
    epoch:      the user's when it was given; void when the user has another one by now
    """

    principal: Principal
    session_id: str
    expires_ms: int
    epoch: int = 0


class Tokens:
    """Issues and checks. Whoever has `key` can be anyone: it never leaves this object."""

    def __init__(self, key: bytes, clock: Clock, token_seconds: float) -> None:
        if len(key) < _KEY_BYTES:
            raise ValueError("the token key is too short")
        self._key = key
        self._clock = clock
        self._token_seconds = token_seconds
        self._verified = lru_cache(_VERIFIED_MAX)(self._verify)

    def issue(self, principal: Principal, epoch: int = 0) -> str:
        """A token for a session of its own."""
        now = self._clock.wall_ms() // 1000
        claims = {
            "sub": principal.name,
            "role": principal.role,
            "jti": secrets.token_urlsafe(16),
            "epoch": epoch,
            "iat": now,
            "exp": now + max(1, round(self._token_seconds)),
            "aud": _AUDIENCE,
            "iss": _ISSUER,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def check(self, token: str) -> TokenClaims:
        """Raises Unauthenticated, in the same words for whatever is wrong but age."""
        claims = self._verified(token)
        now = self._clock.wall_ms() // 1000
        if claims["exp"] <= now:
            raise Unauthenticated("the token has expired; log in again")
        if claims["iat"] > now + _LEEWAY_SECONDS:
            raise _refused()
        principal = Principal(claims["sub"], claims["role"])
        return TokenClaims(principal, claims["jti"], claims["exp"] * 1000, claims.get("epoch", 0))

    def _verify(self, token: str) -> dict[str, Any]:
        """The claims of a token that this server signed; whether it is still good is not asked here."""
        if len(token) > _TOKEN_BYTES_MAX:
            raise _refused()
        # exp and iat are compared above, with the clock that was handed in.
        options: Any = {"require": _CLAIMS, "verify_exp": False, "verify_iat": False}
        try:
            claims = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], audience=_AUDIENCE, issuer=_ISSUER, options=options
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _refused() from None
        numbers = isinstance(claims["exp"], int) and isinstance(claims["iat"], int)
        if not numbers or not all(isinstance(claims[name], str) for name in ("sub", "role", "jti")):
            raise _refused()
        return claims


def _refused() -> Unauthenticated:
    return Unauthenticated("the token is not valid; log in again")


def stored_key(file: Path) -> bytes:
    """The key in `file`, made on the first start (mode 0600), so that tokens outlive a restart.

    Raises: StorageUnavailable when it can't be read or written, or is not a key.
    """
    try:
        return _read_key(file)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageUnavailable(f"the token key can't be read: {error.strerror}") from error
    try:
        _write_key(file)
        return _read_key(file)
    except OSError as error:
        raise StorageUnavailable(f"the token key can't be written: {error.strerror}") from error


def _read_key(file: Path) -> bytes:
    key = file.read_bytes()
    if len(key) != _KEY_BYTES:
        raise StorageUnavailable("the token key in the data directory is damaged; delete it and all log in again")
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return key


def _write_key(file: Path) -> None:
    temporary = file.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(secrets.token_bytes(_KEY_BYTES))
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(file)
    sync_folder(file.parent)
