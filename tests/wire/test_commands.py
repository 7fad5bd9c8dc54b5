"""Bytes to values: exact for good ones, and one kind of answer for all others."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire import requests as rq
from flight_server.wire.actions import ACTIONS, decode_action
from flight_server.wire.answers import encode_options, encode_ticket
from flight_server.wire.commands import decode_descriptor, decode_ticket
from flight_server.wire.messages import REQUEST_BYTES_MAX, pack_any
from storage.errors import FrostlineError, InvalidRequest, NotSupported


def packed(message) -> bytes:
    return pack_any(message.DESCRIPTOR.name, message)


def test_absent_and_empty_transaction_ids_are_told_apart():
    absent = decode_descriptor(packed(pb.CommandStatementQuery(query="SELECT 1")))
    empty = decode_descriptor(packed(pb.CommandStatementQuery(query="SELECT 1", transaction_id=b"")))
    assert absent == rq.StatementQuery("SELECT 1", None)
    assert empty == rq.StatementQuery("SELECT 1", b"")


def test_absent_and_empty_filters_are_told_apart():
    command = decode_descriptor(packed(pb.CommandGetTables(catalog="", table_types=["VIEW"], include_schema=True)))
    assert command == rq.GetTables("", None, None, ("VIEW",), include_schema=True)


def test_ingest_brings_all_its_fields():
    message = pb.CommandStatementIngest(table="t", schema="s", transaction_id=b"x", options={"a": "b"}, temporary=True)
    message.table_definition_options.if_not_exist = 1
    message.table_definition_options.if_exists = 3
    assert decode_descriptor(packed(message)) == rq.IngestCommand(
        "t", "s", None, True, rq.IfMissing.CREATE, rq.IfExists.REPLACE, b"x", {"a": "b"}
    )


@pytest.mark.parametrize(("missing", "exists"), [(0, 2), (1, 0), (9, 2), (1, 9)])
def test_unspecified_ingest_modes_are_refused_and_named(missing, exists):
    message = pb.CommandStatementIngest(table="t")
    message.table_definition_options.if_not_exist = missing
    message.table_definition_options.if_exists = exists
    with pytest.raises(InvalidRequest, match=r"if_(not_)?exist"):
        decode_descriptor(packed(message))


def test_a_ticket_comes_back_as_it_was_made():
    assert decode_ticket(encode_ticket(b"handle")) == rq.StatementTicket(b"handle")


def test_a_metadata_command_is_its_own_ticket():
    assert decode_ticket(packed(pb.CommandGetSqlInfo(info=[8]))) == rq.GetSqlInfo((8,))


def test_substrait_is_not_supported_and_says_what_to_send():
    data = pack_any("CommandStatementSubstraitPlan", pb.CommandGetCatalogs())
    with pytest.raises(NotSupported, match="send SQL text"):
        decode_descriptor(data)


def test_an_unknown_command_is_not_supported():
    with pytest.raises(NotSupported, match="CommandOfTheFuture"):
        decode_descriptor(pack_any("CommandOfTheFuture", pb.CommandGetCatalogs()))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SELECT 1",
        packed(pb.CommandGetTables(catalog="frostline"))[:-3],
        pb.AnyMessage(type_url="type.googleapis.com/google.protobuf.Empty").SerializeToString(),
        pb.AnyMessage(type_url="type.googleapis.com/" + "arrow.flight.protocol.sql.").SerializeToString(),
        packed(pb.CommandStatementQuery(query="abcd")).replace(b"abcd", b"\xff\xfe\xfd\xfc"),
        b"\x0b" * 10_000,
    ],
)
def test_what_is_no_flight_sql_command_is_an_invalid_request(data):
    with pytest.raises(InvalidRequest):
        decode_descriptor(data)


def test_an_oversized_command_is_refused_before_it_is_read():
    with pytest.raises(InvalidRequest, match="more than the 16777216 allowed"):
        decode_descriptor(b"\x0a" * (REQUEST_BYTES_MAX + 1))


def test_an_action_with_another_message_inside_is_refused():
    with pytest.raises(InvalidRequest, match="send ActionBeginTransactionRequest"):
        decode_action("BeginTransaction", packed(pb.CommandGetCatalogs()))


def test_session_options_of_every_type_are_read():
    message = pb.SetSessionOptionsRequest()
    message.session_options["s"].string_value = "x"
    message.session_options["b"].bool_value = False
    message.session_options["i"].int64_value = -1
    message.session_options["d"].double_value = 0.5
    message.session_options["l"].string_list_value.values.extend(["a", "b"])
    message.session_options["erase"].SetInParent()
    request = decode_action("SetSessionOptions", message.SerializeToString())
    assert request == rq.SetSessionOptions({"s": "x", "b": False, "i": -1, "d": 0.5, "l": ("a", "b"), "erase": None})


def test_session_options_of_every_type_are_written():
    options = {"s": "x", "b": True, "i": 2, "d": 0.5, "l": ("a",), "none": None}
    message = pb.GetSessionOptionsResult.FromString(encode_options(options))
    kinds = {name: value.WhichOneof("option_value") for name, value in message.session_options.items()}
    assert kinds == {
        "s": "string_value",
        "b": "bool_value",
        "i": "int64_value",
        "d": "double_value",
        "l": "string_list_value",
        "none": None,
    }


def test_close_session_may_have_no_body():
    assert decode_action("CloseSession", b"") == rq.CloseSession()


GOOD = [
    packed(pb.CommandStatementQuery(query="SELECT 1", transaction_id=b"t")),
    packed(pb.CommandGetTables(catalog="c", table_types=["TABLE", "VIEW"])),
    packed(pb.CommandStatementIngest(table="t", options={"a": "b"})),
    packed(pb.CommandGetSqlInfo(info=list(range(600)))),
]


@given(data=st.binary(max_size=300), kind=st.sampled_from([*ACTIONS, "Nonsense"]))
def test_random_bytes_give_our_errors_or_a_value(data, kind):
    for decode in (decode_descriptor, decode_ticket, lambda d: decode_action(kind, d)):
        with suppress(FrostlineError):
            decode(data)


@given(data=st.data())
def test_damaged_commands_give_our_errors_or_a_value(data):
    message = bytearray(data.draw(st.sampled_from(GOOD)))
    for _ in range(data.draw(st.integers(1, 6))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(message)))
    with suppress(FrostlineError):
        decode_descriptor(bytes(message[:cut]))
