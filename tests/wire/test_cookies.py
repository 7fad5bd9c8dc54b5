"""Sessions by cookie: for clients that prove who they are with each call, over one connection or several."""

from __future__ import annotations

import base64
from typing import Any

import pyarrow.flight as flight
import pytest

from flight_server.calls.cookies import COOKIE
from flight_server.wire import flight_sql_pb2 as pb


class Jar(flight.ClientMiddlewareFactory):
    """Keeps cookies as the JDBC and ODBC drivers do; `sends` False is a client that ignores them."""

    def __init__(self, *, sends: bool = True) -> None:
        self.sends = sends
        self.cookie: str | None = None
        self.offers = 0

    def start_call(self, info: Any) -> flight.ClientMiddleware:
        jar = self

        class Call(flight.ClientMiddleware):
            def sending_headers(self) -> dict[str, str]:
                return {"cookie": f"other=1; {jar.cookie}"} if jar.cookie and jar.sends else {}

            def received_headers(self, headers: dict[str, list[str]]) -> None:
                for value in headers.get("set-cookie", []):
                    jar.cookie, jar.offers = value.partition(";")[0], jar.offers + 1

        return Call()


class Basic:
    """A connection that sends Basic with each call."""

    def __init__(self, server, jar: Jar, user: str = "root") -> None:
        self.flight = flight.FlightClient(server.uri, middleware=[jar])
        word = base64.b64encode(f"{user}:secret".encode()).decode()
        self.options = flight.FlightCallOptions(headers=[(b"authorization", f"Basic {word}".encode())])

    def act(self, kind: str, body: bytes = b"") -> list[bytes]:
        return [r.body.to_pybytes() for r in self.flight.do_action(flight.Action(kind, body), self.options)]

    def set_timeout(self, seconds: int) -> None:
        message = pb.SetSessionOptionsRequest()
        message.session_options["statement_timeout_seconds"].int64_value = seconds
        assert self.act("SetSessionOptions", message.SerializeToString()) == [b""]

    @property
    def timeout(self) -> float:
        [body] = self.act("GetSessionOptions")
        options = pb.GetSessionOptionsResult.FromString(body).session_options
        return float(options["statement_timeout_seconds"].double_value)


@pytest.fixture
def jar() -> Jar:
    return Jar()


def test_a_cookie_is_offered_once_and_means_the_session_of_the_first_call(server, jar):
    client = Basic(server, jar)
    client.set_timeout(11)
    assert (client.timeout, jar.offers, jar.cookie.partition("=")[0]) == (11, 1, COOKIE)
    assert len(list(server.sessions)) == 1


def test_a_cookie_is_the_session_on_another_connection_too(server, jar):
    Basic(server, jar).set_timeout(11)
    assert Basic(server, jar).timeout == 11
    assert Basic(server, Jar()).timeout == 0


def test_without_cookies_the_connection_is_the_session(server):
    one, two = Basic(server, Jar(sends=False)), Basic(server, Jar(sends=False))
    one.set_timeout(11)
    assert (one.timeout, two.timeout) == (11, 0)


def test_a_cookie_names_no_session_of_another_user(server, jar):
    Basic(server, jar).set_timeout(11)
    assert Basic(server, jar, user="anna").timeout == 0


def test_a_cookie_of_a_session_that_ended_begins_another_one(server, jar):
    client = Basic(server, jar)
    client.set_timeout(11)
    client.act("CloseSession")
    assert client.timeout == 0
    client.set_timeout(12)
    assert Basic(server, jar).timeout == 12


@pytest.mark.parametrize("cookie", ["nonsense", f"{COOKIE}=", f"{COOKIE}=../../x", f"{COOKIE}=" + "f" * 5000, "=;;="])
def test_a_cookie_that_is_not_ours_does_no_harm(server, jar, cookie):
    jar.cookie = cookie
    client = Basic(server, jar)
    assert client.timeout == 0


def test_a_token_is_the_session_and_no_cookie_is_offered(server, jar):
    client = flight.FlightClient(server.uri, middleware=[jar])
    token = client.authenticate_basic_token("root", "secret")
    jar.offers = 0
    list(client.do_action(flight.Action("GetSessionOptions", b""), flight.FlightCallOptions(headers=[token])))
    assert jar.offers == 0
