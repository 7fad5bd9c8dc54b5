"""Arrow data that lies, sent to a real server below what pyarrow lets anybody send: refused, nothing stored, alive.

Unchecked, most of it ends the process that reads it. The corpus (see fuzzing.py) is replayed here; new damage is
made from a seed that is printed: FROSTLINE_FAULT_SEED runs it again, and what kills the server joins the corpus.

Elsewhere: arrays that break their own rules and uploads damaged on their way (tests/wire/test_malformed.py),
column types (tests/sql_end_to_end/test_ingested_types.py), limits of rows and bytes (tests/faults/long).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_server.parser.grammar.statement import parse_statement
from flight_server.parser.guard.check import check_text
from flight_server.parser.guard.limits import GuardLimits
from flight_server.parser.text.number_parameters import number_parameters
from flight_server.parser.text.sql_text import SqlText, split_statements
from flight_server.wire import flight_sql_pb2 as pb
from flight_server.wire.actions import ACTIONS, decode_action
from flight_server.wire.commands import decode_descriptor, decode_ticket
from storage.errors import FrostlineError
from tests.conftest import FIXED_SEED
from tests.faults.fuzzing import Upload, corpus, damaged_upload, unpacked, upload_of
from tests.faults.upload_targets import (
    GOOD,
    INVALID_ARGUMENT,
    OK,
    ROWS,
    UNKNOWN,
    WORDS,
    Target,
    check_survived,
    stream_of,
)
from tests.support.flight_client import packed as packed_command
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

SEED = int(os.environ.get("FROSTLINE_FAULT_SEED") or FIXED_SEED or Random().randrange(10**9))
ROUNDS = 150
LIMIT_BYTES = 8 << 20


SCHEMA, DICTIONARY, BATCH = GOOD
NUMBERS = upload_of(stream_of(pa.table({"a": [1, 2, 3]})))
PAIRS = upload_of(stream_of(pa.table({"a": [{"member": 1}]})))
TIMES = upload_of(stream_of(pa.table({"a": pa.array([1], pa.timestamp("us", "UTC"))})))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp("uploads")
    config = directory / "frostline.toml"
    config.write_text(
        f"[wire]\nbound_rows_max = {10**9}\nbound_bytes_max = {LIMIT_BYTES}\ningest_bytes_max = {LIMIT_BYTES}\n"
    )
    with ServerProcess(directory / "data", "--config", str(config)) as process:
        yield Target(process)
        assert process.process.poll() is None, "the server died"
        assert process.stop() == 0
        assert [event for event in process.events if event["event"] == "internal_error"] == []


def numbered(data: bytes, old: int, new: int, code: str = "<q") -> bytes:
    """`data` with a number in it replaced, wherever it stands."""
    assert struct.pack(code, old) in data
    return data.replace(struct.pack(code, old), struct.pack(code, new))


def extension(name: bytes, metadata: bytes) -> Upload:
    field = pa.field("a", pa.binary(), metadata={b"ARROW:extension:name": name, b"ARROW:extension:metadata": metadata})
    return upload_of(stream_of(pa.Table.from_arrays([pa.array([b"x"])], schema=pa.schema([field]))))


def listed(depth: int) -> pa.Schema:
    data_type = pa.int64()
    for _ in range(depth):
        data_type = pa.list_(data_type)
    return pa.schema([("a", data_type)])


def columns(names: list[str]) -> Upload:
    return upload_of(stream_of(pa.Table.from_arrays([pa.array([1])] * len(names), names=names)))


def compressed(uncompressed_bytes: int) -> Upload:
    """A column whose buffer claims to hold so many bytes."""
    rows = pa.table({"a": pa.array([0] * 5000, pa.int64())})
    schema, (header, body) = upload_of(stream_of(rows, compression="zstd"))
    return [schema, (header, numbered(body, 40_000, uncompressed_bytes))]


LIES: dict[str, Upload] = {
    "nothing at all": [],
    "no schema": [BATCH],
    "a dictionary first": [DICTIONARY, SCHEMA, BATCH],
    "no dictionary": [SCHEMA, BATCH],
    "a dictionary too late": [SCHEMA, BATCH, DICTIONARY],
    "another schema in the middle": [*NUMBERS, *WORDS],
    "rows of another schema": [NUMBERS[0], WORDS[1]],
    "rows with less columns": [SCHEMA, DICTIONARY, NUMBERS[1]],
    "half a header": [SCHEMA, DICTIONARY, (BATCH[0][:200], BATCH[1])],
    "half a schema": [(SCHEMA[0][:300], b""), DICTIONARY, BATCH],
    "half a body": [SCHEMA, DICTIONARY, (BATCH[0], BATCH[1][: len(BATCH[1]) // 2])],
    "no body": [SCHEMA, DICTIONARY, (BATCH[0], b"")],
    "2^62 rows": [SCHEMA, DICTIONARY, (numbered(BATCH[0], 40, 2**62), BATCH[1])],
    "-1 rows": [SCHEMA, DICTIONARY, (numbered(BATCH[0], 40, -1), BATCH[1])],
    "2^31 rows": [NUMBERS[0], (numbered(NUMBERS[1][0], 3, 2**31), NUMBERS[1][1])],
    "buffers of 2^62 bytes": [NUMBERS[0], (numbered(NUMBERS[1][0], 24, 2**62), NUMBERS[1][1])],
    "buffers of -8 bytes": [NUMBERS[0], (numbered(NUMBERS[1][0], 24, -8), NUMBERS[1][1])],
    "offsets beyond the text": [WORDS[0], (WORDS[1][0], numbered(WORDS[1][1], 3, 2**30, "<i"))],
    "offsets below zero": [WORDS[0], (WORDS[1][0], numbered(WORDS[1][1], 3, -5, "<i"))],
    "a body of 2^60 bytes unpacked": compressed(2**60),
    "a body of -3 bytes unpacked": compressed(-3),
    "a body of 8 bytes unpacked": compressed(8),
    "no columns": columns([]),
    "two columns of a name": columns(["a", "a"]),
    "a column without a name": columns([""]),
    "a column with NUL": columns(["a\0b"]),
    "a column of the system": columns(["_seq"]),
    "a column that is not UTF-8": [(NUMBERS[0][0].replace(b"a", b"\xff"), b""), NUMBERS[1]],
    "a member that is not UTF-8": [(PAIRS[0][0].replace(b"member", b"m\xffmber"), b""), PAIRS[1]],
    "a time zone that is not UTF-8": [(TIMES[0][0].replace(b"UTC", b"U\xffC"), b""), TIMES[1]],
    "10,001 columns": columns([f"c{i}" for i in range(10_001)])[:1],
    "lists 1,000 deep": [(listed(1000).serialize().to_pybytes()[8:], b"")],
}


@pytest.mark.parametrize("lie", LIES)
def test_an_upload_that_lies_stores_nothing(target: Target, lie: str):
    answer = target.ingest(LIES[lie])
    assert answer.status in (UNKNOWN, INVALID_ARGUMENT, -1), answer
    assert target.process.process.poll() is None, "the server died"
    assert target.rows() == -1


@pytest.mark.parametrize("name", [b"nobody.knows", b"arrow.py_extension_type", b"arrow.json", b""])
def test_an_unknown_extension_type_is_its_storage_and_never_code(target: Target, name: bytes, tmp_path: Path):
    touched = tmp_path / "unpickled"
    code = b"cos\nsystem\n(S'touch " + str(touched).encode() + b"'\ntR."
    answer = target.ingest(extension(name, code), "extended")
    assert target.process.process.poll() is None, "the server died"
    assert answer.status in (OK, INVALID_ARGUMENT)
    assert not touched.exists()
    with target.process.connect() as connection, suppress(Refused):
        Client(connection).do("DROP TABLE extended")


@pytest.mark.parametrize("bound", [True, False], ids=["bound", "ingested"])
def test_a_small_upload_that_unpacks_to_much_is_refused_and_given_back(target: Target, bound: bool):
    rows = pa.table({"a": pa.array(memoryview(bytes(128 << 20)).cast("q"))})
    bomb = upload_of(stream_of(rows, compression="zstd"))
    assert sum(len(header) + len(body) for header, body in bomb) < 50_000
    if bound:
        with target.process.connect() as connection:
            Client(connection).do("CREATE TABLE IF NOT EXISTS numbers (a BIGINT)")
    resident = []
    for _ in range(5):
        answer = target.put(bomb, prepared_update(target)) if bound else target.ingest(bomb)
        assert (answer.status, answer.text[:31]) == (INVALID_ARGUMENT, "[54000] more than 8388608 bytes")
        resident.append(target.resident_bytes())
    assert target.rows() == -1
    assert resident[-1] - resident[0] < 380 << 20, resident  # three of them: the allocator may keep what one needs


def prepared_update(target: Target) -> bytes:
    with flight.connect(target.process.uri) as client:
        token = target._headers[0][1].encode()
        request = pb.ActionCreatePreparedStatementRequest(query="INSERT INTO numbers VALUES (?)")
        options = flight.FlightCallOptions(headers=[(b"authorization", token)])
        [result] = client.do_action(flight.Action("CreatePreparedStatement", packed_command(request)), options)
    found = pb.ActionCreatePreparedStatementResult.FromString(pb.AnyMessage.FromString(result.body.to_pybytes()).value)
    update = pb.CommandPreparedStatementUpdate(prepared_statement_handle=found.prepared_statement_handle)
    return packed_command(update)


@pytest.mark.parametrize("file", corpus("uploads"), ids=lambda file: file.name)
def test_the_corpus_of_uploads_is_survived(target: Target, file: Path):
    check_survived(target, unpacked(file.read_bytes()))


def test_uploads_with_damaged_messages_are_survived(target: Target):
    print(f"FROSTLINE_FAULT_SEED={SEED}")
    random = Random(SEED)
    sources = [GOOD, WORDS, upload_of(stream_of(ROWS, compression="lz4"))]
    assert check_survived(target, GOOD)
    stored = sum(check_survived(target, damaged_upload(random, random.choice(sources))) for _ in range(ROUNDS))
    assert 0 < stored < ROUNDS


@pytest.mark.parametrize("file", corpus("messages"), ids=lambda file: file.name)
def test_the_corpus_of_messages_gives_our_errors_or_a_value(file: Path):
    data = file.read_bytes()
    decoders: list[Callable[[bytes], object]] = [decode_descriptor, decode_ticket]
    decoders += [partial(decode_action, kind) for kind in ACTIONS]
    for decode in decoders:
        with suppress(FrostlineError):
            decode(data)


@pytest.mark.parametrize("file", corpus("texts"), ids=lambda file: file.name)
def test_the_corpus_of_texts_gives_our_errors_or_a_statement(file: Path):
    sql = file.read_bytes().decode(errors="surrogateescape")
    with suppress(FrostlineError):
        check_text(sql, GuardLimits())
        for text in split_statements(number_parameters(SqlText(sql)).text):
            parse_statement(text)
