"""Rows on their way in: nothing that a client sent is used before it was looked at.

Malformed Arrow data crashes whoever reads it, so every batch is validated in full first. A stream that was cut
off reads as if it were complete, so after the last batch the call itself is asked. Both happen here, for bulk
ingest and bound parameters alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa

from flight_server.calls import RunningCall
from flight_server.query.interval_units import interval_batch, interval_schema
from storage.errors import FrostlineError, InvalidRequest, LimitExceeded
from storage.row_filter import no_rows

_COLUMNS_MAX: Final = 10_000
DRAINED_BYTES_MAX: Final = 16 << 20
DRAINED_MESSAGE_BYTES_MIN: Final = 64 << 10  # so that empty messages come to an end too


class Upload:
    """What a DoPut brings. Its schema is read once, its batches once."""

    def __init__(self, reader: Any, call: RunningCall, rows_max: int, bytes_max: int) -> None:
        """rows_max, bytes_max: of the whole upload; 0 = no limit. Raises InvalidRequest, NotSupported (bad schema)."""
        self._reader = reader
        self._call = call
        self._rows_max = rows_max
        self._bytes_max = bytes_max
        with _readable():
            self._sent: pa.Schema = _schema(reader)
            _read_names(self._sent)
        self.schema: pa.Schema = interval_schema(self._sent)
        if len(self.schema) > _COLUMNS_MAX:
            raise InvalidRequest(f"the upload has {len(self.schema)} columns; at most {_COLUMNS_MAX} are allowed")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Validated batches, empty ones left out.

        Raises: InvalidRequest (malformed, schema change), LimitExceeded, Cancelled (cut off: store nothing).
        """
        rows = size = 0
        while (batch := self._next()) is not None:
            rows += batch.num_rows
            size += batch.nbytes
            self._check_limits(rows, size)
            if batch.num_rows:
                yield batch
        self._call.raise_if_cancelled()

    def drain(self) -> None:
        """Read on, a little, after a refusal: some clients that still write when the answer comes tell their user
        that writing failed, and never why."""
        size = 0
        try:
            while size < DRAINED_BYTES_MAX and (batch := self._next()) is not None:
                size += max(batch.nbytes, DRAINED_MESSAGE_BYTES_MIN)
        except FrostlineError:
            return  # the refusal itself is what the client is told

    def _next(self) -> pa.RecordBatch | None:
        if self._call.is_cancelled():
            self._call.raise_if_cancelled()
        try:
            with _readable():
                batch = self._reader.read_chunk().data
        except StopIteration:
            return None
        if batch is None:  # a message with metadata only
            return no_rows(self.schema)
        return self._validated(batch)

    def _validated(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        with _readable():
            batch.validate(full=True)
        if not batch.schema.equals(self._sent):
            raise InvalidRequest("the rows change their schema in the middle of the upload; send one upload for each")
        return interval_batch(batch, self.schema)

    def _check_limits(self, rows: int, size: int) -> None:
        if self._rows_max and rows > self._rows_max:
            raise LimitExceeded(f"more than {self._rows_max} rows in one upload; send less at a time", sqlstate="54000")
        if self._bytes_max and size > self._bytes_max:
            raise LimitExceeded(
                f"more than {self._bytes_max} bytes in one upload; send less at a time", sqlstate="54000"
            )


def _schema(reader: Any) -> pa.Schema:
    """A client that has nothing to bind may send a descriptor and no schema: that is no columns."""
    try:
        return reader.schema
    except OSError as error:
        if "never sent a data message" not in str(error):
            raise
        return pa.schema([])


def _read_names(fields: Iterable[pa.Field]) -> None:
    """Arrow checks values but not names: one that is not UTF-8 raises here, and not somewhere behind."""
    for field in fields:
        _ = field.name, getattr(field.type, "tz", None)
        _read_names(field.type.field(i) for i in range(field.type.num_fields))


@contextmanager
def _readable() -> Iterator[None]:
    """What Arrow raises for bytes that are not what they claim."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, KeyError, IndexError):
        raise InvalidRequest(
            "the uploaded rows are not valid Arrow data; nothing was stored", sqlstate="22000"
        ) from None


def checked_table_schema(schema: pa.Schema) -> pa.Schema:
    """`schema` if a table can have it. Raises InvalidRequest."""
    if not len(schema):
        raise InvalidRequest("the upload has no columns; send at least one")
    seen: set[str] = set()
    for name in schema.names:
        if name in seen:
            raise InvalidRequest(f"the upload has two columns named '{name[:80]}'; give each its own name")
        seen.add(name)
    return schema
