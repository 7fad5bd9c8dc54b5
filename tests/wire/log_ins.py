"""Log-ins in every form, for calls of every kind."""

from __future__ import annotations

import base64

import jwt
import pyarrow as pa
import pyarrow.flight as flight

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
    "no algorithm": b"Bearer " + jwt.encode(claims(), "", algorithm="none").encode(),
    "no expiry": signed(exp=None),
    "no audience": signed(aud=None),
    "no subject": signed(sub=None),
    "unknown user": signed(sub="nobody"),
    "expiry is text": signed(exp=str(NOW + 60)),
    "8 KB token": b"Bearer " + b"x" * 7000,
}


def call_options(header: bytes | None) -> flight.FlightCallOptions:
    return flight.FlightCallOptions(headers=[] if header is None else [(b"authorization", header)])
