"""Who gets in: every kind of call, every kind of wrong credential."""

from __future__ import annotations

import base64
import threading

import jwt
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.access.login.tokens import Tokens
from flight_server.access.principal import Principal
from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any
from storage.clock import ManualClock

QUERY = flight.FlightDescriptor.for_command(pack_any("CommandStatementQuery", pb.CommandStatementQuery(query="ROWS 1")))
KEY = b"k" * 32  # the server under test signs with this one


def _put(client: flight.FlightClient, options: flight.FlightCallOptions) -> None:
    writer, reader = client.do_put(QUERY, pa.schema([("a", pa.int64())]), options)
    try:
        reader.read()
    finally:
        writer.close()


def _exchange(client: flight.FlightClient, options: flight.FlightCallOptions) -> None:
    writer, reader = client.do_exchange(QUERY, options)
    try:
        reader.read_chunk()
    finally:
        writer.close()


CALLS = {
    "GetFlightInfo": lambda c, o: c.get_flight_info(QUERY, o),
    "GetSchema": lambda c, o: c.get_schema(QUERY, o),
    "DoGet": lambda c, o: c.do_get(flight.Ticket(b"x"), o).read_all(),
    "DoPut": _put,
    "DoExchange": _exchange,
    "DoAction": lambda c, o: list(c.do_action(flight.Action("GetSessionOptions", b""), o)),
    "ListActions": lambda c, o: c.list_actions(o),
    "ListFlights": lambda c, o: list(c.list_flights(options=o)),
}


def basic(user: str, password: str, *, padded: bool = True) -> bytes:
    text = base64.b64encode(f"{user}:{password}".encode())
    return b"Basic " + (text if padded else text.rstrip(b"="))


def claims(**changes) -> dict:
    now = ManualClock().wall_ms() // 1000
    good = {
        "sub": "root",
        "role": "system",
        "jti": "s",
        "iat": now,
        "exp": now + 60,
        "aud": "frostline",
        "iss": "frostline",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(key: bytes = KEY, algorithm: str = "HS256", **changes) -> bytes:
    return b"Bearer " + jwt.encode(claims(**changes), key, algorithm=algorithm).encode()


NOW = ManualClock().wall_ms() // 1000
WRONG = {
    "none": None,
    "empty": b"",
    "garbage": b"Bearer garbage",
    "scheme": b"Digest x",
    "basic, wrong": basic("root", "wrong"),
    "basic, unknown": basic("nobody", "secret"),
    "basic, no colon": b"Basic " + base64.b64encode(b"root"),
    "basic, not base64": b"Basic ???",
    "basic, not text": b"Basic " + base64.b64encode(b"\xff\xfe:x"),
    "expired": signed(exp=NOW - 1),
    "from the future": signed(iat=NOW + 3600, exp=NOW + 7200),
    "wrong audience": signed(aud="other"),
    "wrong issuer": signed(iss="other"),
    "other key": signed(key=b"x" * 32),
    "other algorithm": signed(key=b"k" * 64, algorithm="HS512"),
    "no algorithm": b"Bearer " + jwt.encode(claims(), None, algorithm="none").encode(),
    "no expiry": signed(exp=None),
    "no audience": signed(aud=None),
    "no subject": signed(sub=None),
    "unknown user": signed(sub="nobody"),
    "expiry is text": signed(exp=str(NOW + 60)),
    "8 KB token": b"Bearer " + b"x" * 7000,
}


def call_options(header: bytes | None) -> flight.FlightCallOptions:
    return flight.FlightCallOptions(headers=[] if header is None else [(b"authorization", header)])


@pytest.mark.parametrize("header", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_credential_is_refused(server, header):
    with flight.connect(server.uri) as client, pytest.raises(flight.FlightUnauthenticatedError, match=r"^\[28000\] "):
        client.get_flight_info(QUERY, call_options(header))
    assert server.statements.runs == []
    assert list(server.sessions) == []
    assert header is None or len(header) < 20 or header.decode() not in repr(server.log.entries)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("header", [None, basic("root", "wrong"), b"Bearer x"], ids=["none", "basic", "bearer"])
def test_every_kind_of_call_is_refused_without_a_good_credential(server, call, header):
    # For GetSchema the client itself has only OSError.
    expected = pytest.raises((flight.FlightUnauthenticatedError, OSError), match=r"\[28000\] .* Unauthenticated")
    with flight.connect(server.uri) as client, expected:
        call(client, call_options(header))


def test_a_handshake_with_a_wrong_password_is_refused(server):
    with (
        flight.connect(server.uri) as client,
        pytest.raises(flight.FlightUnauthenticatedError, match="wrong user name"),
    ):
        client.authenticate_basic_token("root", "wrong")


def test_two_authorization_headers_are_refused(server):
    headers = [(b"authorization", basic("root", "secret")), (b"authorization", basic("root", "secret"))]
    with flight.connect(server.uri) as client, pytest.raises(flight.FlightUnauthenticatedError, match="exactly one"):
        client.get_flight_info(QUERY, flight.FlightCallOptions(headers=headers))


@pytest.mark.parametrize("padded", [True, False])
def test_basic_with_every_call_is_taken_padded_or_not(server, padded):
    options = call_options(basic("root", "secret", padded=padded))
    with flight.connect(server.uri) as client:
        info = client.get_flight_info(QUERY, options)
        assert client.do_get(info.endpoints[0].ticket, options).read_all().num_rows == 1
    assert len(list(server.sessions)) == 1


def test_two_connections_with_basic_are_two_sessions(server):
    options = call_options(basic("root", "secret"))
    with flight.connect(server.uri) as one, flight.connect(server.uri, disable_server_verification=False) as two:
        for client in (one, two):
            client.get_flight_info(QUERY, options)
    sessions = list(server.sessions)
    assert {session.principal.name for session in sessions} == {"root"}


def test_a_bearer_token_can_be_used_for_the_handshake(server):
    token = server.tokens.issue(Principal("root", "system"))
    with flight.connect(server.uri) as client:
        options = call_options(b"Bearer " + token.encode())
        client.authenticate(_Empty(), options)
        assert len(client.get_flight_info(QUERY, options).endpoints) == 1


class _Empty(flight.ClientAuthHandler):
    def authenticate(self, outgoing, incoming):
        outgoing.write(b"")

    def get_token(self):
        return b""


def test_each_log_in_is_a_session_of_its_own(server):
    first, second = server.flight()[1], server.flight()[1]
    with flight.connect(server.uri) as client:
        for options in (first, second):
            client.get_flight_info(QUERY, options)
    assert len(list(server.sessions)) == 2


def test_a_name_is_locked_after_repeated_failures_and_opens_again(server):
    with flight.connect(server.uri) as client:
        for _ in range(5):
            with pytest.raises(flight.FlightUnauthenticatedError, match="wrong user name or password"):
                client.authenticate_basic_token("anna", "wrong")
        with pytest.raises(flight.FlightUnauthenticatedError, match="too many failed log-ins"):
            client.authenticate_basic_token("anna", "secret")
        assert client.authenticate_basic_token("root", "secret")
        server.clock.advance(31)
        assert client.authenticate_basic_token("anna", "secret")


def test_a_token_ages(server):
    client, options = server.flight()
    server.clock.advance(86_400 + 1)
    with client, pytest.raises(flight.FlightUnauthenticatedError, match="the token has expired"):
        client.get_flight_info(QUERY, options)


def test_tokens_of_another_server_are_refused(server):
    token = Tokens(b"z" * 32, server.clock, 60).issue(Principal("root", "system"))
    with flight.connect(server.uri) as client, pytest.raises(flight.FlightUnauthenticatedError):
        client.get_flight_info(QUERY, call_options(b"Bearer " + token.encode()))


def test_many_log_ins_at_once_all_succeed(server):
    outcomes: list[object] = []

    def log_in() -> None:
        with flight.connect(server.uri) as client:
            outcomes.append(client.authenticate_basic_token("root", "secret")[0])

    threads = [threading.Thread(target=log_in) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [b"authorization"] * 10
