"""Authenticator proves who calls, from the `authorization` header.

Basic proves a user by password, Bearer by a token of ours. A client may log in once (Handshake with Basic, then
Bearer) or send Basic with every call; then a password that was right a short while ago is not hashed again.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, TypeVar

from flight_server.access.login.hash_queue import Rank
from flight_server.access.login.idp import IdentityProvider
from flight_server.access.login.lockout import Lockout
from flight_server.access.login.login_audit import LoginAudit
from flight_server.access.login.passwords import Passwords
from flight_server.access.login.tokens import Tokens
from flight_server.access.principal import Principal
from flight_server.access.settings import AccessSettings
from storage.catalog.users import Role, UserRecord
from storage.clock import Clock
from storage.errors import TOO_MANY, FrostlineError, LimitExceeded, Unauthenticated

K = TypeVar("K")
V = TypeVar("V")
_PROVEN_MAX: Final = 1000
_PROVEN_SECONDS: Final = 300.0
_LATELY_MAX: Final = 1000  # names that logged in last, and so come first when many wait
_SAME_MAX: Final = 200  # log-ins that wait for the outcome of one with the very same password
_HEADER_BYTES_MAX: Final = 8192
_WRONG: Final = "wrong user name or password"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `session_id` is None for Basic: then the connection is the session."""

    principal: Principal
    session_id: str | None
    session_expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class _Proven:
    """A password that was right; void when the stored hash is another one by now."""

    password_hash: str
    until_seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class _Claim:
    """What somebody says to be theirs. `user`: None when there is no such one (any more)."""

    name: str
    user: UserRecord | None
    password: str
    digest: bytes
    is_local: bool

    @property
    def counted(self) -> tuple[str, bool]:
        """What failures are counted by: nobody on the network locks a name for this machine."""
        return self.name, self.is_local

    @property
    def compared(self) -> tuple[bytes, str]:
        """Claims that have this in common are right or wrong together."""
        return self.digest, "" if self.user is None else self.user.password_hash


class Authenticator:
    """Checks headers against the users of the catalog, as `users` gives them at that moment."""

    def __init__(
        self,
        users: Callable[[], Mapping[str, UserRecord]],
        passwords: Passwords,
        tokens: Tokens,
        clock: Clock,
        settings: AccessSettings,
        audit: LoginAudit | None = None,
        kept_epoch: Callable[[str], int | None] = lambda _: None,
        provider: IdentityProvider | None = None,
    ) -> None:
        """kept_epoch: of a session that gave its user another password: its own token stays good.
        provider: whose tokens are good, too
        """
        self._provider = provider
        self._users = users
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._kept_epoch = kept_epoch
        self._audit = audit or LoginAudit(lambda _: None, clock)
        self._lockout = Lockout(clock, settings.login_failures_max, settings.lockout_seconds)
        self._lock = threading.Lock()
        self._lately: OrderedDict[str, None] = OrderedDict()
        self._proving: dict[tuple[bytes, str], Future[None]] = {}
        self._same = 0
        self._proven: OrderedDict[bytes, _Proven] = OrderedDict()
        self._proven_key = secrets.token_bytes(32)  # so that no plain digest of a password is in memory

    def caller(self, headers: Mapping[str, Sequence[str | bytes]], *, is_local: bool = False) -> Caller:
        """Who sent these headers, from this machine (`is_local`) or another. Raises Unauthenticated, LimitExceeded."""
        scheme, credentials = _authorization(headers)
        if scheme == "bearer":
            return self._bearer(credentials)
        if scheme == "basic":
            return Caller(self._basic(credentials, is_local), None)
        raise Unauthenticated("the authorization header is neither Basic nor Bearer; send user and password")

    def log_in(self, headers: Mapping[str, Sequence[str | bytes]], *, is_local: bool = False) -> tuple[Caller, str]:
        """A caller and the token to go on with; a good Bearer token is handed back as it is."""
        scheme, credentials = _authorization(headers)
        if scheme == "bearer":
            return self._bearer(credentials), credentials
        principal = self.caller(headers, is_local=is_local).principal
        user = self._active(principal.name)
        if user is None:  # dropped this very moment
            raise Unauthenticated(_WRONG)
        token = self._tokens.issue(principal, user.token_epoch)
        return self._bearer(token), token

    def by_certificate(self, identity: bytes) -> Caller:
        """Whom the client's certificate names, checked already by TLS. Raises Unauthenticated."""
        name = identity.decode(errors="replace")
        user = self._active(name)
        if user is None:
            self._audit.failed(None, "certificate of no user")
            raise Unauthenticated("the name in the certificate is not that of a user; ask a dba for one")
        return Caller(Principal(user.name, user.role), None)

    def _bearer(self, token: str) -> Caller:
        if self._provider is not None and self._provider.claims_to_be_ours(token):
            return self._from_provider(self._provider, token)
        claims = self._tokens.check(token)
        user = self._active(claims.principal.name)
        epochs = (claims.epoch, self._kept_epoch(claims.session_id))
        if user is None or user.token_epoch not in epochs:  # dropped, or given another password since
            raise Unauthenticated("the token is not valid; log in again")
        return Caller(Principal(user.name, user.role), claims.session_id, claims.expires_ms)

    def _from_provider(self, provider: IdentityProvider, token: str) -> Caller:
        """Never for the role system: it would be the provider's to give away."""
        try:
            claims = provider.check(token)
        except Unauthenticated as error:
            self._audit.failed(None, f"token of the identity provider: {error.message}")
            raise
        user = self._active(claims.user)
        if user is None or user.role == Role.SYSTEM:
            self._audit.failed(None if user is None else user.name, "token of the identity provider: no such user")
            raise Unauthenticated("the token is not valid; log in again")
        return Caller(Principal(user.name, user.role), claims.session_id, claims.expires_ms)

    def _basic(self, credentials: str, is_local: bool) -> Principal:
        name, password = _user_and_password(credentials)
        user = self._active(name)
        digest = hmac.digest(self._proven_key, credentials.encode(), "sha256")
        if user is None or not self._is_proven(digest, user):
            self._prove_once(_Claim(name, user, password, digest, is_local))
        assert user is not None
        return Principal(user.name, user.role)

    def _prove_once(self, claim: _Claim) -> None:
        """The same password of the same name at the same time is compared once, as pools of connections open many.

        Raises Unauthenticated, LimitExceeded.
        """
        with self._lock:
            first = self._proving.get(claim.compared)
            if first is None:
                mine = self._proving[claim.compared] = Future()
            elif self._same >= _SAME_MAX:
                raise LimitExceeded("too many log-ins wait for their password to be checked", sqlstate=TOO_MANY)
            else:
                self._same += 1
        if first is not None:
            self._await_same(first, claim)
            return
        try:
            self._prove(claim)
            mine.set_result(None)
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._proving[claim.compared]

    def _await_same(self, first: Future[None], claim: _Claim) -> None:
        try:
            error = first.exception()
        finally:
            with self._lock:
                self._same -= 1
        if isinstance(error, Unauthenticated) and error.message == _WRONG:
            self._lockout.failed(claim.counted)
        if error is not None:
            raise type(error)(error.message, sqlstate=error.sqlstate) if isinstance(error, FrostlineError) else error

    def _prove(self, claim: _Claim) -> None:
        """Raises Unauthenticated, in the same words for an unknown user and a wrong password; LimitExceeded."""
        user, known = claim.user, None if claim.user is None else claim.name
        if not self._lockout.begin(claim.counted):
            self._audit.failed(known, "locked after too many failures")
            raise Unauthenticated("too many failed log-ins; wait a while and try again")
        try:
            is_right = self._passwords.matches(user, claim.password, self._rank(claim), is_local=claim.is_local)
        except BaseException:
            self._lockout.withdraw(claim.counted)
            raise
        if not is_right or user is None:
            self._lockout.failed(claim.counted)
            self._audit.failed(known, "wrong password" if user else "unknown user")
            raise Unauthenticated(_WRONG)
        self._lockout.succeeded(claim.counted)
        with self._lock:
            until = self._clock.monotonic_seconds() + _PROVEN_SECONDS
            _put(self._proven, claim.digest, _Proven(user.password_hash, until), _PROVEN_MAX)
            _put(self._lately, claim.name, None, _LATELY_MAX)

    def _rank(self, claim: _Claim) -> Rank:
        if claim.user is None:
            return Rank.UNKNOWN
        with self._lock:
            return Rank.LATELY if claim.name in self._lately else Rank.KNOWN

    def _active(self, name: str) -> UserRecord | None:
        user = self._users().get(name)
        return user if user is not None and user.is_active else None

    def _is_proven(self, digest: bytes, user: UserRecord) -> bool:
        with self._lock:
            proven = self._proven.get(digest)
            if proven is None:
                return False
            if proven.until_seconds > self._clock.monotonic_seconds() and proven.password_hash == user.password_hash:
                return True
            del self._proven[digest]
            return False


def _put(known: OrderedDict[K, V], key: K, value: V, size_max: int) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > size_max:
        known.popitem(last=False)


def _authorization(headers: Mapping[str, Sequence[str | bytes]]) -> tuple[str, str]:
    """Scheme in lower case, and what follows it."""
    values = headers.get("authorization", ())
    if not values:
        raise Unauthenticated("not logged in; connect with user name and password")
    if len(values) > 1:
        raise Unauthenticated("more than one authorization header; send exactly one")
    text = values[0] if isinstance(values[0], str) else ""
    if len(text) > _HEADER_BYTES_MAX:
        raise Unauthenticated("the authorization header is too long")
    scheme, _, credentials = text.partition(" ")
    return scheme.lower(), credentials.strip()


def _user_and_password(credentials: str) -> tuple[str, str]:
    """Some clients (Go) leave out the padding of base64."""
    padded = credentials + "=" * (-len(credentials) % 4)
    try:
        text = base64.b64decode(padded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthenticated("the Basic authorization header can't be read") from None
    name, separator, password = text.partition(":")
    if not separator:
        raise Unauthenticated("the Basic authorization header can't be read")
    return name, password
