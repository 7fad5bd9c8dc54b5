"""OpenStream sends batches on one DoPut that stays open, and waits for the answer to each."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.flight as flight


class OpenStream:
    """Of one thread."""

    def __init__(self, writer: flight.FlightStreamWriter, reader: flight.FlightMetadataReader) -> None:
        self._writer = writer
        self._reader = reader

    def put_all(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Send them all, then take their answers."""
        for batch in batches:
            self._writer.write_batch(batch)
        for _ in batches:
            assert self._reader.read() is not None

    def close(self) -> None:
        self._writer.done_writing()
        self._writer.close()
