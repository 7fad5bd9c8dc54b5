"""Arrow data that is not what it claims to be: refused, nothing stored, and the server lives on.

Unchecked, any of these ends the process that reads it with SIGSEGV, so the server runs in one of its own.
"""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.messages import pack_any
from tests.wire.damaging_proxy import DamagingProxy

ROUNDS = 40


@pytest.fixture(scope="module")
def uri() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.wire.serving"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        assert process.poll() is None, "the server died"
        process.stdin.close()
        assert process.wait(timeout=20) == 0


def ingest(client: flight.FlightClient, rows: pa.RecordBatch, table: str, options: flight.FlightCallOptions) -> None:
    command = pb.CommandStatementIngest(table=table)
    command.table_definition_options.if_not_exist = 1
    command.table_definition_options.if_exists = 3
    descriptor = flight.FlightDescriptor.for_command(pack_any("CommandStatementIngest", command))
    writer, reader = client.do_put(descriptor, rows.schema, options)
    with writer:
        writer.write_batch(rows)
        writer.done_writing()
        reader.read()


def count(uri: str, table: str) -> int:
    with flight.connect(uri) as client:
        options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("root", "secret")])
        command = pack_any("CommandStatementQuery", pb.CommandStatementQuery(query=f"SELECT * FROM {table}"))
        info = client.get_flight_info(flight.FlightDescriptor.for_command(command), options)
        return client.do_get(info.endpoints[0].ticket, options).read_all().num_rows


def bad_offsets() -> pa.Array:
    offsets = pa.py_buffer(struct.pack("<4i", 0, 1_000_000_000, 5, 6))
    return pa.Array.from_buffers(pa.utf8(), 3, [None, offsets, pa.py_buffer(b"abcdef")])


def bad_text() -> pa.Array:
    return pa.Array.from_buffers(
        pa.utf8(), 1, [None, pa.py_buffer(struct.pack("<2i", 0, 2)), pa.py_buffer(b"\xff\xfe")]
    )


def bad_list() -> pa.Array:
    offsets = pa.py_buffer(struct.pack("<4i", 0, 1_000_000_000, 1, 2))
    return pa.Array.from_buffers(pa.list_(pa.int64()), 3, [None, offsets], children=[pa.array([1, 2])])


def bad_dictionary() -> pa.Array:
    indices = pa.array([0, 99_999_999], pa.int32())
    return pa.DictionaryArray.from_arrays(indices, pa.array(["a"]), safe=False)


def bad_decimal() -> pa.Array:
    return pa.Array.from_buffers(pa.decimal128(2, 0), 1, [None, pa.py_buffer(b"\xff" * 15 + b"\x7f")])


@pytest.mark.parametrize("make", [bad_offsets, bad_text, bad_list, bad_dictionary, bad_decimal])
def test_arrays_that_break_their_own_rules_are_refused(uri, make):
    rows = pa.RecordBatch.from_arrays([make()], names=["a"])
    with flight.connect(uri) as client:
        options = flight.FlightCallOptions(headers=[client.authenticate_basic_token("root", "secret")])
        with pytest.raises(pa.ArrowInvalid, match=r"\[22000\] the uploaded rows are not valid Arrow data"):
            ingest(client, rows, "bad", options)
    with pytest.raises(pa.ArrowKeyError, match="does not exist"):
        count(uri, "bad")


def test_uploads_with_changed_bytes_leave_the_server_alive(uri):
    rows = pa.record_batch(
        {
            "id": pa.array(range(300)),
            "name": [f"name {i}" for i in range(300)],
            "tags": [["a", "b"]] * 300,
            "kind": pa.array(["x", "y"] * 150).dictionary_encode(),
        }
    )
    host, _, port = uri.removeprefix("grpc://").rpartition(":")
    refused = 0
    for seed in range(ROUNDS):
        proxy = DamagingProxy((host, int(port)), seed, spare_bytes=1200, window_bytes=12_000, flips=4)
        with contextlib.closing(proxy), flight.connect(f"grpc://127.0.0.1:{proxy.port}") as client:
            token = client.authenticate_basic_token("root", "secret")
            try:
                ingest(client, rows, "t", flight.FlightCallOptions(timeout=5, headers=[token]))
            except (pa.ArrowException, OSError):
                refused += 1
        with contextlib.suppress(pa.ArrowKeyError):
            assert count(uri, "t") <= 300
    assert refused > ROUNDS // 4
