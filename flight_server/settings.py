"""Settings: one TOML file, every key known, every value checked, defaults in the dataclasses.

A section of the file is one frozen dataclass; each room of the house owns its own, the front's are here. `read`
refuses what it does not know and what does not fit, naming the dotted key, so that a typo never becomes a default.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from storage.errors import InvalidRequest

S = TypeVar("S")

Positive = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(ge=0)]
PositiveSeconds = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the server listens and when it gives up.

    host, port:               of Flight SQL; port 0 takes any free one
    http_host, http_port:     of /healthz, /readyz, /metrics; port 0 takes any free one
    data:                     the data directory, made when missing
    insecure:                 allows a host other than loopback without TLS
    tls_certificate, tls_key: PEM files; both or none
    tls_client_ca:            PEM file; when set, clients must show a certificate that it signed
    rpc_concurrent_max:       calls running at the same time; more are refused at once
    rpc_per_user_max:         of them, of one user
    rpc_reserved:             of them, only for users with the roles system and dba; at most a quarter of all
    upload_idle_seconds:      that an upload may stand still before it is ended
    shutdown_seconds_max:     from the stop signal to the end of the process
    """

    host: str = "127.0.0.1"
    port: Port = 4747
    http_host: str = "127.0.0.1"
    http_port: Port = 4748
    data: str = "data"
    insecure: bool = False
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    rpc_concurrent_max: Positive = 200
    rpc_per_user_max: Positive = 160
    rpc_reserved: Annotated[int, Meta(ge=0)] = 8
    upload_idle_seconds: PositiveSeconds = 60.0
    shutdown_seconds_max: PositiveSeconds = 20.0


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


def read(path: Path, into: type[S]) -> S:
    """The settings in the TOML file `path` as an `into`, whose fields are the sections.

    Raises: InvalidRequest naming the dotted key and what is wrong with it, or the place of a syntax error.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except OSError as error:
        raise InvalidRequest(f"settings file '{path}' can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"settings file '{path}' is not TOML: {error}") from error
    return checked(found, into)


def checked(found: Mapping[str, Any], into: type[S]) -> S:
    """`found` (section -> key -> value) over the defaults of `into`. Raises InvalidRequest as `read`."""
    sections = get_type_hints(into)
    _refuse_unknown(found, sections, prefix="")
    return into(**{name: _section(name, found.get(name, {}), kind) for name, kind in sections.items()})


def _section(name: str, found: Any, kind: type[Any]) -> Any:
    if not isinstance(found, Mapping):
        raise InvalidRequest(f"setting '{name}' is a section: write [{name}] and its keys below")
    types = get_type_hints(kind, include_extras=True)
    _refuse_unknown(found, types, prefix=f"{name}.")
    return kind(**{key: _value(f"{name}.{key}", value, types[key]) for key, value in found.items()})


def _value(dotted: str, value: Any, kind: Any) -> Any:
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise msgspec.ValidationError("Expected a finite number")
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + ".."
        raise InvalidRequest(f"setting '{dotted}' can't be {shown}: {_lower_first(str(error))}") from error


def _refuse_unknown(found: Mapping[str, Any], known: Mapping[str, Any], prefix: str) -> None:
    for key in found:
        if key not in known:
            raise InvalidRequest(f"unknown setting '{prefix}{key}': known are {', '.join(sorted(known))}")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def flat(settings: Any) -> dict[str, Any]:
    """Dotted key -> value, for system.settings and the log. No setting is a secret."""
    sections = dataclasses.asdict(settings)
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
