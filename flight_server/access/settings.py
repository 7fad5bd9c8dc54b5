"""AccessSettings says who gets in, for how long, and how much each may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Positive = Annotated[int, Meta(ge=1)]
PositiveSeconds = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who gets in, for how long, and how much each may hold.

    token_seconds:            life of a bearer token
    session_idle_seconds:     after which a session and what it holds are forgotten
    sessions_max:             open at the same time
    sessions_per_user_max:    of them, of one user; over it the one that was idle longest goes
    sessions_administrators:  of them, for users with the roles dba and system alone
    transaction_idle_seconds: after which an open transaction rolls back, if something was run in it
    prepared_statements_max:  open at the same time in one session
    prepared_bytes_max:       bytes of those of all sessions, texts and bound rows
    prepared_per_user_bytes_max: of them, of one user's sessions
    login_failures_max:       wrong passwords of one user before the lockout
    lockout_seconds:          how long the lockout lasts
    dropped_user_days:        for which a dropped user can be brought back with UNDROP USER
    system_role_remote:       whether users with the role system may come from other machines
    certificate_users:        whether a client's certificate (server.tls_client_ca) logs in the user that it names
    idp_issuer:               `iss` of an identity provider's tokens; empty: no provider
    idp_audience:             `aud` that its tokens for this server have
    idp_jwks:                 its JWK set: a file, or an https address
    idp_algorithms:           what its tokens may be signed with
    idp_user_claim:           which claim is the user's name here
    idp_jwks_seconds:         how long its keys are remembered
    """

    token_seconds: PositiveSeconds = 86_400.0
    session_idle_seconds: PositiveSeconds = 3600.0
    sessions_max: Positive = 10_000
    sessions_per_user_max: Positive = 1000
    sessions_administrators: Annotated[int, Meta(ge=0)] = 100
    transaction_idle_seconds: PositiveSeconds = 300.0
    prepared_statements_max: Positive = 1000
    prepared_bytes_max: Positive = 1 << 30
    prepared_per_user_bytes_max: Positive = 512 << 20
    login_failures_max: Positive = 5
    lockout_seconds: PositiveSeconds = 30.0
    dropped_user_days: Annotated[int, Meta(ge=0)] = 7
    system_role_remote: bool = False
    certificate_users: bool = False
    idp_issuer: str = ""
    idp_audience: str = ""
    idp_jwks: str = ""
    idp_algorithms: tuple[str, ...] = ("RS256",)
    idp_user_claim: str = "sub"
    idp_jwks_seconds: PositiveSeconds = 300.0
