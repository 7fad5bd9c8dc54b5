"""A sandboxed statement: the child's side. It plans and runs one statement over shipped rows and sends what comes.

Promises: no file is written but spill files in its own folder; address space and processor time have a limit.
"""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path
from typing import Final, cast

import msgspec
import pyarrow as pa

from flight_server.query.engine import QueryEngine
from flight_server.sandbox.failure import failure_of
from flight_server.sandbox.frames import Kind, receive, send, written
from flight_server.sandbox.shipment import ShippedStore, Unpacked
from storage.cold.file_store import FileStores, ObjectStore
from storage.errors import LimitExceeded
from storage.state.state import ColdFile

SLACK_BYTES: Final = 2 << 30  # address space that allocators and threads reserve and never touch
ROW_BYTES_MAX: Final = 64 << 20
CPU_SECONDS_MAX: Final = 24 * 3600


class ShippedFiles:
    """Where shipped cold files lie. They were checked before they were shipped."""

    def __init__(self, urls: dict[str, str], stores: dict[str, ShippedStore], bases: tuple[str, ...]) -> None:
        self._urls = urls
        self._stores = stores
        self._bases = bases

    def of(self, file: ColdFile) -> _ShippedPlace:
        return _ShippedPlace(file, self._urls[file.address], self._stores.get(file.storage))

    def bases(self) -> list[str]:
        return list(self._bases)


class _ShippedPlace:
    """The place of one file: of `FileStore` what reading takes."""

    def __init__(self, file: ColdFile, url: str, store: ShippedStore | None) -> None:
        self._prefix = url.removesuffix(file.path)
        self._store = store

    def url(self, path: str) -> str:
        return self._prefix + path

    def check(self, path: str, size_bytes: int, checksum: str) -> None:
        """See `ShippedFiles`."""

    def object_store(self) -> ObjectStore | None:
        return None if self._store is None else ObjectStore(*msgspec.structs.astuple(self._store))


def serve(server: socket.socket) -> None:
    """One statement, whatever becomes of it."""
    send(server, Kind.PROCESS, str(os.getpid()).encode())
    _, header = receive(server)
    _, count = receive(server)
    blobs = [receive(server)[1] for _ in range(int(bytes(count)))]
    try:
        _run(Unpacked(bytes(header), blobs), server)
    except BaseException as error:  # whatever it is, the server must hear of it
        send(server, Kind.FAILED, msgspec.json.encode(failure_of(error)))


def _run(unpacked: Unpacked, server: socket.socket) -> None:
    shipment = unpacked.shipment
    _limit(shipment.bytes_max)
    files = ShippedFiles(shipment.urls, shipment.stores, shipment.bases)
    engine = QueryEngine(
        shipment.settings,
        Path(shipment.spill_directory),
        cast("FileStores", files),
        frozenset(shipment.mended),
        apart_reason=shipment.reason,
    )
    plan = engine.plan(shipment.sql, unpacked.scope, unpacked.params, rows=shipment.rows, casts=unpacked.casts)
    for batch in engine.start(plan).batches():
        _check_row(batch)
        send(server, Kind.BATCH, written([batch], batch.schema))
    send(server, Kind.FINISHED)


def _limit(bytes_max: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    address_bytes = _address_space_bytes() + bytes_max + SLACK_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (address_bytes, address_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))


def _address_space_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()


def _check_row(batch: pa.RecordBatch) -> None:
    if batch.nbytes > ROW_BYTES_MAX:
        raise LimitExceeded(
            f"a row of the result has {batch.nbytes:,} bytes; a row may have {ROW_BYTES_MAX:,}", sqlstate="54000"
        )
