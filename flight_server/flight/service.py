"""FlightService is the one Flight server: decode, allow, call, encode. What a statement means is decided elsewhere.

Every answer has exactly one endpoint, DDL and DML included: these run once, in GetFlightInfo, and their ticket
gives no rows. One schema, the statement's, is what GetFlightInfo, GetSchema, a prepared statement and the stream
show. The port answers as soon as the object exists, so it is built last.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pyarrow import flight

from flight_server.access.login.authenticator import Authenticator
from flight_server.access.principal import Principal
from flight_server.access.sessions.session import Session
from flight_server.access.sessions.session_options import set_session_option
from flight_server.access.sessions.sessions import Sessions
from flight_server.access.settings import AccessSettings
from flight_server.calls.cookies import Cookies
from flight_server.calls.middleware import BY_CERTIFICATE, MIDDLEWARE, Gate, HeadersOnly, Passage
from flight_server.calls.places import CallPlaces
from flight_server.calls.running_calls import WATCH_SECONDS, Calls, RunningCall
from flight_server.flight import do_action as acting
from flight_server.flight import do_get as reading
from flight_server.flight import do_put as writing
from flight_server.flight.certificates import Tls
from flight_server.flight.listen_address import is_local_peer
from flight_server.flight.pending_results import PendingResults
from flight_server.flight.service_context import ServiceContext
from flight_server.flight.settings import WireSettings
from flight_server.metadata.sql_info import ServerFacts
from flight_server.sql.interface.statements import Statements
from flight_server.wire import requests as rq
from flight_server.wire.actions import decode_action
from flight_server.wire.commands import decode_descriptor, decode_ticket
from flight_server.wire.errors import DETAILS_TRAILER, flight_errors, hide_tracebacks
from flight_server.wire.handles import HandleSigner
from storage.catalog.users import Role
from storage.clock import Clock
from storage.errors import FrostlineError, InvalidRequest, NotSupported, PermissionDenied
from storage.failpoints import reach, reach_loop
from storage.loops import attempt
from storage.shares import ShareLimits, Shares

_STOPPING: Final = "the server is shutting down; connect again in a while"

_CLOSE_SECONDS_MAX: Final = 3.0


class FlightService(flight.FlightServerBase):
    """The server. It listens from its construction until `shut_down`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        statements: Statements,
        authenticator: Authenticator,
        sessions: Sessions,
        clock: Clock,
        access: AccessSettings,
        wire: WireSettings,
        facts: ServerFacts,
        calls_max: int,
        statement_seconds_max: float,
        log: Any,
        calls_per_user_max: int | None = None,
        calls_reserved: int = 0,
        upload_idle_seconds: float = 60.0,
        tls: Tls | None = None,
        is_local: bool = False,
    ) -> None:
        """port: 0 = any free one, see `self.port`; is_local: only this machine reaches it. Raises OSError (taken)."""
        hide_tracebacks()
        signer = HandleSigner.with_random_key(clock)
        results = PendingResults(signer, clock, wire.pending_results_max, wire.pending_seconds_max)
        self._front = ServiceContext(
            statements,
            sessions,
            results,
            signer,
            facts,
            access,
            wire,
            log,
            clock,
            Shares(_upload_limits(wire)),
            upload_idle_seconds,
            Shares(_prepared_limits(access)),
        )
        self._clock = clock
        self._log = log
        self._authenticator = authenticator
        self._cookies = Cookies()
        places = CallPlaces(calls_max, calls_max if calls_per_user_max is None else calls_per_user_max, calls_reserved)
        self._calls = Calls(clock, places, statement_seconds_max, self._keep_house)
        self._gate = Gate(
            authenticator, sessions, log, places, certificates=access.certificate_users, is_local=is_local
        )
        scheme = "grpc+tls" if tls else "grpc"
        super().__init__(
            f"{scheme}://{host}:{port}",
            # With a handler, its word is the peer's identity; without one it is the certificate's name.
            auth_handler=None if access.certificate_users else HeadersOnly(),
            tls_certificates=[(tls.certificate, tls.key)] if tls else None,
            verify_client=bool(tls and tls.client_ca),
            root_certificates=tls.client_ca if tls else None,
            middleware={MIDDLEWARE: self._gate},
        )
        self._calls.start()

    def __repr__(self) -> str:
        return f"<FlightService {self._calls!r} {self._front.sessions!r} {self._front.results!r}>"

    @property
    def calls_running(self) -> int:
        return len(self._calls)

    def drain(self) -> None:
        """Refuse new calls (UNAVAILABLE); those that run go on."""
        self._gate.close(_STOPPING)

    def shut_down(self, seconds_max: float) -> None:
        """Drain, wait for running calls at most so long, cancel the rest, close the port, end all sessions.

        Blocks, some seconds longer than asked if a client holds its upload open; never to be called by a handler.
        """
        self.drain()
        self._front.statements.end_live_queries(_STOPPING)
        deadline = self._clock.monotonic_seconds() + seconds_max
        pause = threading.Event()
        while self._calls.at_work and self._clock.monotonic_seconds() < deadline:
            pause.wait(WATCH_SECONDS)
        self._calls.cancel_all(_STOPPING)
        # `shutdown` waits for every call, and one that waits for its client can't be interrupted.
        closing = threading.Thread(target=self.shutdown, name="frostline-port-closing", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS_MAX)
        self._calls.stop()
        self._front.results.close()
        self._front.sessions.close_all()

    # --- the protocol's calls ----------------------------------------------------------------------------------

    def get_flight_info(self, context: Any, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        with self._call(context) as call:
            data = _command_bytes(descriptor)
            schema, ticket = reading.info_of(self._front, call, decode_descriptor(data), data)
            return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(ticket, [])], -1, -1)

    def get_schema(self, context: Any, descriptor: flight.FlightDescriptor) -> flight.SchemaResult:
        with self._call(context, plain=True) as call:
            command = decode_descriptor(_command_bytes(descriptor))
            return flight.SchemaResult(reading.schema_of(self._front, call, command))

    def do_get(self, context: Any, ticket: flight.Ticket) -> flight.FlightDataStream:
        with self._call(context) as call:
            return reading.rows_of(self._front, call, decode_ticket(ticket.ticket))

    def do_put(self, context: Any, descriptor: flight.FlightDescriptor, reader: Any, writer: Any) -> None:
        with self._call(context) as call:
            command = decode_descriptor(_command_bytes(descriptor))
            for data in writing.put(self._front, call, command, reader):
                writing.answer(writer, data)

    def do_action(self, context: Any, action: flight.Action) -> list[flight.Result]:
        with self._call(context) as call:
            request: rq.ActionRequest = decode_action(action.type, action.body.to_pybytes())
            return [flight.Result(pa.py_buffer(data)) for data in acting.act(self._front, call, request)]

    def list_actions(self, context: Any) -> list[tuple[str, str]]:
        with self._call(context):
            return list(acting.DESCRIPTIONS.items())

    def list_flights(self, context: Any, criteria: bytes) -> Iterator[flight.FlightInfo]:
        """None: what there is to read is found by Flight SQL's metadata commands."""
        with self._call(context):
            return iter(())

    def do_exchange(self, context: Any, descriptor: flight.FlightDescriptor, reader: Any, writer: Any) -> None:
        with self._call(context):
            raise NotSupported("DoExchange is not supported; use DoGet and DoPut")

    # -----------------------------------------------------------------------------------------------------------

    @contextmanager
    def _call(self, context: Any, *, plain: bool = False) -> Iterator[RunningCall]:
        """One call: its session, its watch, its errors. Its end is the handler's, or the stream's if it goes on."""
        passage: Passage = context.get_middleware(MIDDLEWARE)
        with flight_errors(self._log, plain=plain, send_details=_sender(context, passage)):
            call = self._enter(context, passage)
            try:
                reach(passage.fail_point)
                yield call
            except FrostlineError as error:
                raise call.explained(error) from None
            finally:
                if not call.goes_on:
                    call.finish()

    def _enter(self, context: Any, passage: Passage) -> RunningCall:
        if passage.caller is BY_CERTIFICATE:
            passage.caller = self._authenticator.by_certificate(context.peer_identity())
        caller = passage.caller
        self._check_place(caller.principal, context.peer())
        session_id = caller.session_id or self._cookies.session_of(
            caller.principal.name, context.peer(), passage.cookie, passage.offered
        )
        sessions = self._front.sessions
        session = sessions.enter(session_id, caller.principal, caller.session_expires_ms)
        try:
            if passage.schema is not None:
                self._follow(session, passage.schema)
            passage.arrived()  # and takes a place as a call that runs
            call = self._calls.enter(context, passage, session)
        except FrostlineError:
            sessions.leave(session)
            raise
        call.when_finished(lambda: sessions.leave(session))
        passage.on_completed = call.complete
        return call

    def _follow(self, session: Session, schema: str) -> None:
        """Use the namespace that the header asks for, once: USE may change it. Raises InvalidRequest."""
        if schema != session.asked_schema:
            set_session_option(session, "schema", schema, self._front.objects(session).namespaces())
            session.asked_schema = schema

    def _check_place(self, principal: Principal, peer: str) -> None:
        """Raises PermissionDenied when the role system comes from another machine."""
        if principal.role == Role.SYSTEM and not (self._front.access.system_role_remote or is_local_peer(peer)):
            raise PermissionDenied(
                f"user '{principal.name}' has the role system, which is for this machine only; use a dba, or set "
                "access.system_role_remote"
            )

    def _keep_house(self) -> None:
        """On the watchdog's thread. Each for itself: what goes wrong in one keeps no other from being done."""
        front = self._front
        attempt("housekeeping", lambda: reach_loop("loop.housekeeping"))
        attempt("housekeeping", front.results.expire)
        attempt("housekeeping", front.sessions.expire_idle)
        idle_seconds = front.access.transaction_idle_seconds
        attempt("housekeeping", partial(front.sessions.end_idle_transactions, idle_seconds))


def _upload_limits(wire: WireSettings) -> ShareLimits:
    return ShareLimits(
        "uploads",
        wire.uploads_bytes_max,
        "wire.uploads_bytes_max",
        wire.uploads_per_user_bytes_max,
        "wire.uploads_per_user_bytes_max",
    )


def _prepared_limits(access: AccessSettings) -> ShareLimits:
    return ShareLimits(
        "prepared statements",
        access.prepared_bytes_max,
        "access.prepared_bytes_max",
        access.prepared_per_user_bytes_max,
        "access.prepared_per_user_bytes_max",
    )


def _sender(context: Any, passage: Passage) -> Callable[[bytes], None] | None:
    if not passage.reads_details:
        return None
    return lambda details: context.add_trailer(DETAILS_TRAILER, details)


def _command_bytes(descriptor: flight.FlightDescriptor) -> bytes:
    if descriptor.descriptor_type != flight.DescriptorType.CMD:
        raise InvalidRequest("the descriptor is a path; send a Flight SQL command")
    return descriptor.command
