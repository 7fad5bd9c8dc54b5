"""IdentityProvider accepts JWTs that somebody else signed, for users that exist here.

The token says who; what they may do is in our catalog. Issuer, audience and algorithms come from the settings and
never from a token; a token that brings keys of its own, or says where to find some, is refused.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import jwt

from flight_server.access.login.jwks import Jwks
from flight_server.access.settings import AccessSettings
from storage.clock import Clock
from storage.errors import InvalidRequest, Unauthenticated

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
_LEEWAY_SECONDS: Final = 60
_SECONDS_END: Final = 1 << 40
_CLAIMS: Final = ["exp", "iat", "aud", "iss", "sub"]
_FOREIGN_KEYS: Final = ("jku", "jwk", "x5u", "x5c", "crit")
_REFUSED: Final = "the token is not valid; log in again"


@dataclass(frozen=True, slots=True)
class ProviderClaims:
    """What a good token says. `session_id`: the same for the same token, and no other."""

    user: str
    session_id: str
    expires_ms: int


class IdentityProvider:
    """Checks the tokens of one issuer."""

    def __init__(self, settings: AccessSettings, clock: Clock) -> None:
        """Raises InvalidRequest for settings that are not whole or not safe."""
        check_settings(settings)
        self._issuer = settings.idp_issuer
        self._audience = settings.idp_audience
        self._algorithms = frozenset(settings.idp_algorithms)
        self._user_claim = settings.idp_user_claim
        self._keys = Jwks(settings.idp_jwks, clock, settings.idp_jwks_seconds)
        self._clock = clock

    def claims_to_be_ours(self, token: str) -> bool:
        """Whether the token, good or not, says that this provider issued it."""
        try:
            body = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (IndexError, ValueError, RecursionError):
            return False
        return isinstance(claims, dict) and claims.get("iss") == self._issuer

    def check(self, token: str) -> ProviderClaims:
        """Raises Unauthenticated, in the same words for whatever is wrong but age."""
        claims = self._verified(token)
        now = self._clock.wall_ms() // 1000
        if claims["exp"] <= now:
            raise Unauthenticated("the token has expired; log in again")
        user = claims.get(self._user_claim)
        if max(claims["iat"], claims.get("nbf", 0)) > now + _LEEWAY_SECONDS or not isinstance(user, str):
            raise Unauthenticated(_REFUSED)
        digest = hashlib.sha256(token.encode()).hexdigest()[:32]
        return ProviderClaims(user, f"idp/{digest}", int(claims["exp"] * 1000))

    def _verified(self, token: str) -> dict[str, Any]:
        # Times are compared above, with the clock that was handed in.
        options: Any = {"require": _CLAIMS, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key = header.get("alg"), self._keys.key(_key_name(header))
            if algorithm not in self._algorithms or key is None:
                raise Unauthenticated(_REFUSED)
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options=options,
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise Unauthenticated(_REFUSED) from None
        if not all(_is_time(claims.get(name, 0)) for name in ("exp", "iat", "nbf")):
            raise Unauthenticated(_REFUSED)
        return claims


def _is_time(value: Any) -> bool:
    """Seconds since 1970; JSON as Python reads it also has NaN and infinities, which compare as nothing should."""
    return type(value) in (int, float) and 0 <= value < _SECONDS_END


def check_settings(settings: AccessSettings) -> None:
    """Raises InvalidRequest naming the setting."""
    parts = {name: getattr(settings, name) for name in ("idp_issuer", "idp_audience", "idp_jwks")}
    missing = [f"access.{name}" for name, value in parts.items() if not value]
    if missing:
        raise InvalidRequest(f"an identity provider needs {' and '.join(missing)} too")
    unsafe = [name for name in settings.idp_algorithms if name not in ALGORITHMS]
    if unsafe or not settings.idp_algorithms:
        raise InvalidRequest(
            f"access.idp_algorithms can't be {list(settings.idp_algorithms)}: "
            f"use some of {', '.join(sorted(ALGORITHMS))}"
        )


def is_configured(settings: AccessSettings) -> bool:
    """Whether any setting asks for a provider."""
    return bool(settings.idp_issuer or settings.idp_audience or settings.idp_jwks)


def _key_name(header: dict[str, Any]) -> str:
    """Raises Unauthenticated when the token names no key of the provider, or brings one."""
    name = header.get("kid")
    if not isinstance(name, str) or any(field in header for field in _FOREIGN_KEYS):
        raise Unauthenticated(_REFUSED)
    return name
