"""Every call with every bad credential, every handle in the wrong hands, and messages that are none.

Elsewhere: passwords, tokens and the lockout (tests/access, tests/wire/test_gate.py), handles by themselves
(tests/wire/test_handles.py), bytes to values (tests/wire/test_commands.py), Arrow data in uploads and the kept corpus
(test_upload_abuse.py). What one user may not do with another's things: test_two_principals.py.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.answers import encode_ticket
from flight_server.wire.handles import HandleKind, HandleSigner
from tests.faults.raw_grpc import Answer, call, field, flight_data, flight_descriptor
from tests.support.flight_client import ROWS, Client, descriptor, packed
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client as Sql
from tests.wire.conftest import Running, start
from tests.wire.log_ins import NOW, WRONG, basic, claims, signed

QUERY = packed(pb.CommandStatementQuery(query="ROWS 1"))
UNAUTHENTICATED, INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED = 16, 3, 5, 12


@pytest.fixture
def server() -> Iterator[Running]:
    running = start()
    yield running
    running.service.shut_down(0)


# --- 24: credentials ---------------------------------------------------------------------------------------------

CALLS: dict[str, list[bytes]] = {
    "Handshake": [field(1, 1)],
    "ListFlights": [b""],
    "GetFlightInfo": [flight_descriptor(QUERY)],
    "PollFlightInfo": [flight_descriptor(QUERY)],
    "GetSchema": [flight_descriptor(QUERY)],
    "DoGet": [field(1, QUERY)],
    "DoPut": [flight_data(pa.schema([]).serialize().to_pybytes()[8:], b"", flight_descriptor(QUERY))],
    "DoExchange": [flight_data(b"", b"", flight_descriptor(QUERY))],
    "DoAction": [field(1, b"GetSessionOptions")],
    "ListActions": [b""],
}


def forged(key: bytes = b"made up", **header: object) -> bytes:
    """A token whose header claims `header`, signed with `key`."""
    parts = [_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", **header}, claims())]
    body = b".".join(parts)
    return b"Bearer " + body + b"." + _encoded(hmac.digest(key, body, "sha256"))


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


BAD = {
    **WRONG,
    "asymmetric": forged(alg="RS256"),
    "small letters": forged(alg="hs256"),
    "unknown kid": forged(alg="HS256", kid="other"),
    "kid is a path": forged(alg="HS256", kid="../../dev/null"),
    "key by address": forged(alg="HS256", jku="http://127.0.0.1/keys", x5u="http://127.0.0.1/x"),
    "key in the token": forged(alg="HS256", jwk={"kty": "oct", "k": "a2tr"}),
    "critical extension": signed(exp=NOW + 60, crit=["x"])[:-2] + b"xx",
    "empty key": forged(key=b"", alg="HS256"),
    "two dots": b"Bearer ..",
    "many dots": b"Bearer " + b"." * 3000,
    "deep": b"Bearer " + base64.urlsafe_b64encode(b"[" * 3000) + b".e30.x",
    "bearer in small letters": b"bearer x.y.z",
    "two in one": b"Bearer " + b"x" * 30 + b", " + basic("root", "secret"),
}
# What differs in these is for the client to know: how long it waits, or that it is to log in again.
SAID = {
    "none": "not logged in; connect with user name and password",
    "empty": "the authorization header is neither Basic nor Bearer; send user and password",
    "scheme": "the authorization header is neither Basic nor Bearer; send user and password",
    "expired": "the token has expired; log in again",
    "basic, wrong": "wrong user name or password",
    "basic, unknown": "wrong user name or password",
    "basic, no colon": "the Basic authorization header can't be read",
    "basic, not base64": "the Basic authorization header can't be read",
    "basic, not text": "the Basic authorization header can't be read",
}


@pytest.mark.parametrize("kind", BAD)
def test_every_call_refuses_every_bad_credential_in_the_same_words(kind: str):
    header = BAD[kind]
    headers = [] if header is None else [("authorization", header.decode())]
    server = start()
    try:
        told = set()
        for method, messages in CALLS.items():
            server.clock.advance(31 if kind.startswith("basic") else 0)  # past the lockout
            told.add(call(server.uri, method, messages, headers))
        said = SAID.get(kind, "the token is not valid; log in again")
        assert told == {Answer(UNAUTHENTICATED, f"[28000] {said}. Detail: Unauthenticated")}
        assert list(server.sessions) == []
        assert server.statements.runs == []
        assert len(server.log.entries) == len(CALLS)
        assert header is None or len(header) < 20 or header.decode().split(" ")[1] not in repr(server.log.entries)
    finally:
        server.service.shut_down(0)


@pytest.mark.parametrize("method", CALLS)
def test_every_call_refuses_two_credentials_though_both_are_good(server: Running, method: str):
    good = ("authorization", basic("root", "secret").decode())
    answer = call(server.uri, method, CALLS[method], [good, good])
    assert (answer.status, "exactly one" in answer.text) == (UNAUTHENTICATED, True)
    assert call(server.uri, method, CALLS[method], [good]).status != UNAUTHENTICATED


def test_a_header_over_all_limits_ends_that_call_alone(server: Running):
    answer = call(server.uri, "ListActions", [b""], [("authorization", "Bearer " + "x" * 100_000)])
    assert answer.status != 0
    assert Client(server).fetch(Client(server).query("ROWS 1")).num_rows == 1


def test_polling_is_not_implemented(server: Running):
    good = [("authorization", basic("root", "secret").decode())]
    assert call(server.uri, "PollFlightInfo", CALLS["PollFlightInfo"], good).status == UNIMPLEMENTED


def test_no_credential_reaches_the_log_of_a_server(tmp_path: Path):
    """Good and bad ones, in any call; nor does the process say it by itself."""
    with ServerProcess(tmp_path / "data") as server:
        with flight.connect(server.uri) as client:
            _, token = client.authenticate_basic_token("root", ROOT_PASSWORD)
        key = (server.data / "token.key").read_bytes()
        sent = [header for header in BAD.values() if header is not None and len(header) > 20]
        sent += [token, signed(key=key, exp=1, iat=0), basic("root", ROOT_PASSWORD), basic("root", "Wr0ng password!")]
        for header in sent:
            for method in ("Handshake", "DoPut"):
                call(server.uri, method, CALLS[method], [("authorization", header.decode())])
        assert server.stop() == 0
    log = "\n".join(server.stderr)
    assert log.count("call_refused") > len(sent)
    for secret in (*(header.decode().split(" ")[1] for header in sent), ROOT_PASSWORD, "Wr0ng password!"):
        assert secret not in log
        assert secret[-30:] not in log


# --- 25: handles -------------------------------------------------------------------------------------------------

RESULT_UNKNOWN = "[34000] the result does not exist, was fetched already or has expired; run the statement again"
PREPARED_UNKNOWN = "[26000] the prepared statement does not exist, was closed or has expired; prepare it again"


def by_query(client: Client, handle: bytes) -> object:
    return client.info(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle))


def by_schema(client: Client, handle: bytes) -> object:
    return client.schema(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle))


def by_bind(client: Client, handle: bytes) -> object:
    return client.put(pb.CommandPreparedStatementQuery(prepared_statement_handle=handle), ROWS.slice(0, 1))


def by_update(client: Client, handle: bytes) -> object:
    return client.put(pb.CommandPreparedStatementUpdate(prepared_statement_handle=handle), ROWS)


def by_fetch(client: Client, handle: bytes) -> object:
    return client.get(flight.Ticket(encode_ticket(handle)))


def _info(handle: bytes) -> flight.FlightInfo:
    endpoint = flight.FlightEndpoint(encode_ticket(handle), [])
    return flight.FlightInfo(pa.schema([]), descriptor(pb.CommandStatementQuery()), [endpoint], -1, -1)


def by_cancel(client: Client, handle: bytes) -> object:
    return client.cancel(_info(handle))


def by_cancel_query(client: Client, handle: bytes) -> object:
    return client.act("CancelQuery", packed(pb.ActionCancelQueryRequest(info=_info(handle).serialize())))


USES: dict[str, tuple[HandleKind, Callable[[Client, bytes], object]]] = {
    "query": (HandleKind.PREPARED, by_query),
    "schema": (HandleKind.PREPARED, by_schema),
    "bind": (HandleKind.PREPARED, by_bind),
    "update": (HandleKind.PREPARED, by_update),
    "close": (HandleKind.PREPARED, Client.close_prepared),
    "fetch": (HandleKind.RESULT, by_fetch),
    "cancel": (HandleKind.RESULT, by_cancel),
    "cancel query": (HandleKind.RESULT, by_cancel_query),
}


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Running]:
    """Another server with the same users and the same token key."""
    running = start()
    yield running
    running.service.shut_down(0)


def made(server: Running, user: str, kind: HandleKind) -> bytes:
    """A good handle of a new session of `user`."""
    client = Client(server, user)
    if kind is HandleKind.PREPARED:
        return client.prepare("ROWS 2").prepared_statement_handle
    ticket = client.query("ROWS 2").endpoints[0].ticket.ticket
    return pb.TicketStatementQuery.FromString(pb.AnyMessage.FromString(ticket).value).statement_handle


@pytest.mark.parametrize("use", USES)
def test_a_handle_is_worthless_but_to_its_owner(server: Running, neighbour: Running, use: str):
    kind, act = USES[use]
    theirs = made(server, "anna", kind)
    other = HandleKind.RESULT if kind is HandleKind.PREPARED else HandleKind.PREPARED
    own = HandleSigner.with_random_key(server.clock)
    bad = {
        "another user's": theirs,
        "another server's": made(neighbour, "root", kind),
        "of another kind": made(server, "root", other),
        "self-made": own.issue(kind, "root", 60)[0],
        "never made": bytes(len(theirs)),
        "half": theirs[:30],
        "with more": theirs + b"\0",
        "empty": b"",
        "large": b"x" * 1_000_000,
        "later": theirs[:1] + b"\x7f" * 8 + theirs[9:],
        "id of another": theirs[:9] + bytes(16) + theirs[25:],
    }
    if kind is HandleKind.PREPARED:
        bad["another session's"] = made(server, "root", kind)
    told = {name: refusal(Client(server), act, handle) for name, handle in bad.items()}
    assert set(told.values()) == {RESULT_UNKNOWN if kind is HandleKind.RESULT else PREPARED_UNKNOWN}, told
    assert server.statements.runs.count("ROWS 2") <= len(bad)  # made, and not run once more


def refusal(client: Client, act: Callable[[Client, bytes], object], handle: bytes) -> str:
    with pytest.raises((pa.ArrowKeyError, pa.ArrowException)) as caught:
        act(client, handle)
    return str(caught.value).partition(". Detail:")[0]


def test_a_handle_ends_with_its_time_its_use_and_its_session(server: Running):
    client = Client(server)
    info = client.query("ROWS 1")
    client.fetch(info)
    assert refusal(client, lambda c, _: c.fetch(info), b"") == RESULT_UNKNOWN
    late = client.query("ROWS 1")
    server.clock.advance(301)
    server.service._front.results.expire()
    assert refusal(client, lambda c, _: c.fetch(late), b"") == RESULT_UNKNOWN
    prepared = client.prepare("ROWS 1").prepared_statement_handle
    client.act("CloseSession")
    assert "28000" in refusal(client, by_query, prepared)
    assert refusal(Client(server), by_query, prepared) == PREPARED_UNKNOWN


def test_a_transaction_is_its_sessions_alone(tmp_path: Path):
    with ServerProcess(tmp_path / "data", root_password="secret") as process, process.connect() as connection:
        Sql(connection).do("CREATE TABLE t (a INT)")
        mine, other = (Client(Direct(process)) for _ in range(2))
        [body] = mine.act("BeginTransaction", packed(pb.ActionBeginTransactionRequest()))
        id_ = pb.ActionBeginTransactionResult.FromString(pb.AnyMessage.FromString(body).value).transaction_id
        insert = pb.CommandStatementUpdate(query="INSERT INTO t VALUES (1)", transaction_id=id_)
        mine.put(insert, ROWS.select([]))
        end = packed(pb.ActionEndTransactionRequest(transaction_id=id_, action=1))
        for attempt in (
            lambda: other.put(insert, ROWS.select([])),
            lambda: other.info(pb.CommandStatementQuery(query="SELECT * FROM t", transaction_id=id_)),
            lambda: other.act("EndTransaction", end),
        ):
            with pytest.raises(pa.ArrowException, match="the transaction is not open"):
                attempt()
        assert Sql(connection).value("SELECT count(*) FROM t") == 0
        mine.act("EndTransaction", end)
        assert Sql(connection).value("SELECT count(*) FROM t") == 1


class Direct:
    """A server process for `Client`."""

    def __init__(self, process: ServerProcess) -> None:
        self._process = process

    def flight(self, user: str) -> tuple[flight.FlightClient, flight.FlightCallOptions]:
        client = flight.connect(self._process.uri)
        token = client.authenticate_basic_token(user, self._process.root_password)
        return client, flight.FlightCallOptions(headers=[token])


# --- 26: messages ------------------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    """Any in Any in Any .."""
    data = QUERY
    for _ in range(depth):
        data = pb.AnyMessage(type_url="type.googleapis.com/google.protobuf.Any", value=data).SerializeToString()
    return data


ODD: dict[str, bytes] = {
    "empty": b"",
    "cut": QUERY[:-3],
    "not Any": b"\xff" * 40,
    "another type": pb.AnyMessage(type_url="type.googleapis.com/google.protobuf.Empty").SerializeToString(),
    "no type": pb.AnyMessage(value=b"x").SerializeToString(),
    "deep": nested(200),
    "groups": b"\x0b" * 2000,
    "endless number": b"\x08" + b"\xff" * 20,
    "length beyond": b"\x0a\xff\xff\xff\xff\x07x",
    "not UTF-8": packed(pb.CommandStatementQuery(query="ROWS 1")).replace(b"ROWS", b"\xff\xfe\xfd\xfc"),
    "type not UTF-8": field(1, b"\xff\xfe") + field(2, b"x"),
    "10 MB": packed(pb.CommandStatementQuery(query="x" * (10 << 20))),
    "17 MB": packed(pb.CommandStatementQuery(query="x" * (17 << 20))),
    "2 MB of a name": packed(pb.CommandGetTables(table_name_filter_pattern="x" * (2 << 20), table_types=["x"] * 9)),
    "twice": QUERY + QUERY[:-3],
}


@pytest.mark.parametrize("odd", ODD)
def test_a_message_that_is_none_is_refused(server: Running, odd: str):
    data, client = ODD[odd], Client(server)
    for send in (
        lambda: client.flight.get_flight_info(flight.FlightDescriptor.for_command(data), client.options),
        lambda: client.flight.get_schema(flight.FlightDescriptor.for_command(data), client.options),
        lambda: client.get(flight.Ticket(data)),
        lambda: client.act("CreatePreparedStatement", data),
        lambda: client.act("CancelFlightInfo", data[1:]),
        lambda: client.act(data.decode("latin-1")[:1_000_000], data),
    ):
        told = ""
        try:
            send()
        except pa.ArrowException as error:
            told = str(error)
        assert not told or re.match(r"\[(22|08|42|54|0A|34)[0-9A-Z]{3}\] ", told), told[:300]
        assert len(told) < 4000
    assert [entry for entry in server.log.entries if entry["event"] == "internal_error"] == []


def test_fields_that_nobody_knows_change_nothing(server: Running):
    known = pb.CommandStatementQuery(query="ROWS 3").SerializeToString()
    unknown = field(99, b"x") + field(98, 7) + field(1 << 20, b"\xff" * 100)
    any_ = pb.AnyMessage(type_url="type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery")
    any_.value = known + unknown
    client = Client(server)
    data = any_.SerializeToString() + unknown
    info = client.flight.get_flight_info(flight.FlightDescriptor.for_command(data), client.options)
    assert client.fetch(info).num_rows == 3


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Running]:
    running = start()
    yield running
    assert Client(running).fetch(Client(running).query("ROWS 1")).num_rows == 1
    assert [entry for entry in running.log.entries if entry["event"] == "internal_error"] == []
    running.service.shut_down(0)


@given(method=st.sampled_from(sorted(CALLS)), data=st.data())
@settings(max_examples=150)
def test_damaged_envelopes_get_an_answer(fuzzed: Running, method: str, data: st.DataObject):
    """The messages of gRPC and Flight themselves, below what pyarrow lets anybody send."""
    good = bytearray(b"".join(b"\0" + len(m).to_bytes(4, "big") + m for m in CALLS[method]))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(good) - 1))
        good[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    headers = [("authorization", basic("root", "secret").decode())]
    answer = call(fuzzed.uri, method, [bytes(good[:cut])], headers, framed=False)
    assert ".py" not in answer.text
    assert "Traceback" not in answer.text
