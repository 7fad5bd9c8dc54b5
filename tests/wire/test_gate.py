"""Who gets in: every kind of call, every kind of wrong credential."""

from __future__ import annotations

import threading

import pyarrow.flight as flight
import pytest

from flight_server.access.login.tokens import Tokens
from flight_server.access.principal import Principal
from tests.wire.log_ins import CALLS, QUERY, WRONG, basic, call_options


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
