"""Gate authenticates every call of every kind before a handler sees it.

Who calls is settled from the headers (access/login/authenticator.py) before a byte of the body is read; the handlers
find it with `context.get_middleware(MIDDLEWARE)`. Handshake is answered with a token in the response header.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import flight

from flight_server.access.login.authenticator import Authenticator, Caller
from flight_server.access.principal import Principal
from flight_server.access.sessions.sessions import Sessions
from flight_server.calls.cookies import COOKIE, cookie_in, new_cookie
from flight_server.calls.places import CallPlaces, Place
from flight_server.wire.errors import flight_errors
from storage.errors import FrostlineError, StorageUnavailable, Unauthenticated
from storage.failpoints import reach

MIDDLEWARE: Final = "access"
SCHEMA_HEADER: Final = "schema"
# Stands for a caller who is yet to be found out, and who may do nothing.
BY_CERTIFICATE: Final = Caller(Principal("", ""), None)
# A thread of gRPC waits for the client's first message before the handler, or the answer to a log-in, can end the call.
_WAITED_FOR: Final = frozenset(
    (flight.FlightMethod.DO_PUT, flight.FlightMethod.DO_EXCHANGE, flight.FlightMethod.HANDSHAKE)
)
_FAIL_POINTS: Final = {method: f"call.{method.name.lower()}" for method in flight.FlightMethod}


class Gate(flight.ServerMiddlewareFactory):
    """Lets a call in, or raises the Flight error that refuses it."""

    def __init__(
        self,
        authenticator: Authenticator,
        sessions: Sessions,
        log: Any,
        places: CallPlaces,
        *,
        certificates: bool = False,
        is_local: bool = False,
    ) -> None:
        """certificates: a call without a log-in is its certificate's; only the handler can see that.
        is_local: only this machine reaches the port; else nobody is taken for local here, where no peer is known.
        """
        self._is_local = is_local
        self._certificates = certificates
        self._authenticator = authenticator
        self._sessions = sessions
        self._log = log
        self._places = places
        self._closed: str | None = None

    def close(self, reason: str) -> None:
        """From here on refuse all that comes; calls that run go on."""
        self._closed = reason

    def start_call(self, info: flight.CallInfo, headers: Mapping[str, Sequence[str | bytes]]) -> Passage:
        with flight_errors(self._log, plain=False):
            if self._closed is not None:
                raise StorageUnavailable(self._closed, sqlstate="57P01")
            return self._admit(info, headers)

    def _admit(self, info: flight.CallInfo, headers: Mapping[str, Sequence[str | bytes]]) -> Passage:
        token = None
        try:
            if info.method == flight.FlightMethod.HANDSHAKE:
                reach("call.handshake")
                caller, token = self._authenticator.log_in(headers, is_local=self._is_local)
            elif self._certificates and not headers.get("authorization"):
                caller = BY_CERTIFICATE
            else:
                caller = self._authenticator.caller(headers, is_local=self._is_local)
            id_ = caller.session_id
            if id_ is not None and self._sessions.is_closed(id_, caller.session_expires_ms):
                raise Unauthenticated("the session was closed; connect again")
            place = self._places.take(caller.principal) if info.method in _WAITED_FOR else None
        except FrostlineError as error:
            self._log.info("call_refused", method=info.method.name, reason=error.message)
            raise
        fail_point = _FAIL_POINTS[info.method]
        return Passage(caller, token, _agents(headers), fail_point, cookie_in(headers), _schema(headers), place)


class Passage(flight.ServerMiddleware):
    """One call that was let in. `on_completed` runs when the call is over, its context still valid.

    reads_details:      the client takes an error's text from the details, see wire/errors.py. gRPC for Go does.
    binds_milliseconds: the client needs times in milliseconds, see metadata/parameters.py. JDBC does.
    schema:             the namespace that the client's connection is set to, if it says so
    place:              among the calls, for one that gRPC waits with until its client has sent something
    """

    def __init__(
        self,
        caller: Caller,
        token: str | None,
        agent: str,
        fail_point: str,
        cookie: str | None = None,
        schema: str | None = None,
        place: Place | None = None,
    ) -> None:
        """agent: the client's own words for what it is."""
        self.caller = caller
        self.reads_details = agent.startswith("grpc-go") or " grpc-go/" in agent
        self.binds_milliseconds = "grpc-java" in agent
        self.fail_point = fail_point
        self.schema = schema
        self._token = token
        self.cookie = cookie
        self.offered = new_cookie() if caller.session_id is None and cookie is None else None
        self.on_completed: Callable[[], None] | None = None
        self._place = place

    def sending_headers(self) -> dict[str, str] | None:
        if self._token is not None:
            return {"authorization": f"Bearer {self._token}"}
        return None if self.offered is None else {"set-cookie": f"{COOKIE}={self.offered}; Path=/; HttpOnly"}

    def arrived(self) -> None:
        """The handler has it, and sees to the rest. Safe to repeat."""
        if self._place is not None:
            self._place.leave()

    def call_completed(self, exception: Exception | None) -> None:
        self.arrived()
        if self.on_completed is not None:
            self.on_completed()


class HeadersOnly(flight.ServerAuthHandler):
    """Flight answers Handshake only with a handler present; the gate has done the work.

    What the client sends in the stream is read all the same, and answered: gRPC for C++ (ODBC, pyarrow) aborts its
    process when the server ends a handshake into which the client is still writing.
    """

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        try:
            incoming.read()
            outgoing.write(b"")
        except (OSError, pa.ArrowException):  # the client sent nothing, or left
            return

    def is_valid(self, token: bytes) -> str:
        return ""


def _schema(headers: Mapping[str, Sequence[str | bytes]]) -> str | None:
    """What a connection option becomes: `?schema=` of JDBC, `call_header.schema` of ADBC. Percent-encoded, as headers
    are ASCII."""
    found = [unquote(value) for value in headers.get(SCHEMA_HEADER, ()) if isinstance(value, str)]
    return found[-1] if found else None


def _agents(headers: Mapping[str, Sequence[str | bytes]]) -> str:
    return " ".join(str(agent) for agent in headers.get("user-agent", ()))
