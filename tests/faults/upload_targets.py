"""A server that takes damaged uploads, and what must be so after each."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight

from flight_server.wire import flight_sql_pb2 as pb
from tests.faults.fuzzing import Upload, flight_messages, keep, packed, upload_of
from tests.faults.raw_grpc import Answer, call, flight_descriptor
from tests.support.flight_client import packed as packed_command
from tests.support.server_process import ROOT_PASSWORD, ServerProcess
from tests.support.sql_client import Client

OK, UNKNOWN, INVALID_ARGUMENT = 0, 2, 3


ROWS = pa.table(
    {
        "id": pa.array(range(40), pa.int64()),
        "name": [f"n{i}" if i % 5 else None for i in range(40)],
        "tags": [["a", "b"]] * 40,
        "kind": pa.array(["x", "y"] * 20).dictionary_encode(),
        "at": pa.array(range(40), pa.timestamp("us", "UTC")),
        "price": pa.array([Decimal(i) for i in range(40)], pa.decimal128(10, 2)),
        "pair": [{"a": 1, "b": "c"}] * 40,
        "flag": [True, None] * 20,
        "raw": pa.array([b"abc"] * 40, pa.large_binary()),
    }
)


def stream_of(table: pa.Table, **options: object) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


GOOD = upload_of(stream_of(ROWS))


WORDS = upload_of(stream_of(pa.table({"a": ["x", "y", "z"]})))


class Target:
    """A server to be sent uploads, logged in once."""

    def __init__(self, process: ServerProcess) -> None:
        self.process = process
        with flight.connect(process.uri) as client:
            _, token = client.authenticate_basic_token("root", ROOT_PASSWORD)
        self._headers = [("authorization", token.decode())]

    def ingest(self, upload: Upload, table: str = "abused") -> Answer:
        command = pb.CommandStatementIngest(table=table)
        command.table_definition_options.if_not_exist = 1
        command.table_definition_options.if_exists = 3
        return self.put(upload, packed_command(command))

    def put(self, upload: Upload, command: bytes) -> Answer:
        answer = call(self.process.uri, "DoPut", flight_messages(upload, flight_descriptor(command)), self._headers)
        assert "Traceback" not in answer.text
        assert ".py" not in answer.text
        return answer

    def rows(self, table: str = "abused") -> int:
        """Every value read, to the last byte; -1 without a table."""
        with self.process.connect() as connection:
            client = Client(connection)
            if not client.rows(f"SELECT 1 FROM system.tables WHERE \"table\" = '{table}'"):
                return -1
            found = client.table(f"SELECT * FROM {table}")
            found.validate(full=True)
            return len(found.to_pylist())

    def resident_bytes(self) -> int:
        text = Path(f"/proc/{self.process.process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def check_survived(target: Target, upload: Upload) -> bool:
    """Whether it was stored; then all of it can be read."""
    answer = target.ingest(upload, "fuzzed")
    if answer.status == OK:
        target.rows("fuzzed")
    assert target.process.process.poll() is None, f"the server died of {keep('uploads', packed(upload))}"
    return answer.status == OK
