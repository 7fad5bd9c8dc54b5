"""ColdScans read a list of Parquet files as one native scan.

DataFusion's Python binding reads one file or one folder, never a list, and a folder would show files that the
manifest does not name. The way: ask for the plan of one file, write it out (protobuf), add the other paths,
read it back. The message is `LogicalPlanNode { 1: ListingTableScanNode { 2: repeated string paths, .. } }`; in
protobuf, appending to a repeated field is appending bytes. `datafusion` is pinned to the minor version for this.

A scan keeps the statistics of its files once read (first count over 200 files 190 ms, then 6 ms), so scans are
kept, least recently used first out, and are good in any later SessionContext. A kept scan takes 2 KB for each file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Final, TypeVar

import pyarrow as pa
from datafusion import DataFrame, LogicalPlan, SessionContext
from datafusion.object_store import AmazonS3

from storage.cold.file_store import FileStore, FileStores, ObjectStore
from storage.state.state import ColdFile

T = TypeVar("T")
_FileIds = tuple[int, ...]
_Key = tuple[Hashable, _FileIds]  # a group, and its files

FILES_MAX: Final = 8192  # in all kept scans together, as long as there are more than PLANS_MIN of them
PLANS_MIN: Final = 16
SETS_A_GROUP: Final = 4  # of files: the newest, and what older snapshots still see

_LISTING_SCAN_TAG = 0x0A  # field 1, length-delimited
_PATHS_TAG = 0x12  # field 2, length-delimited


class ColdScans:
    """The kept scans. Safe to use from any thread."""

    def __init__(self, context: SessionContext, file_stores: FileStores, plans_max: int) -> None:
        self._context = context
        self._file_stores = file_stores
        self._plans_max = plans_max
        self._kept: OrderedDict[_Key, DataFrame] = OrderedDict()
        self._sets: dict[Hashable, OrderedDict[_FileIds, None]] = {}  # of each group, the one used last is last
        self._files = 0  # in all of them
        self._lock = threading.Lock()
        self._stores: dict[str, ObjectStore] = {}  # alias -> what is registered

    def scan(self, group: Hashable, files: Sequence[ColdFile], schema: pa.Schema) -> DataFrame:
        """All rows of the files, read as `schema`: types widened, absent columns NULL.

        group: names the schema, and the part of a table that is read so: at one moment it is one set of files. Each
               flush makes a new set, so that only a few of a group are kept
        files: of one storage, at least one
        """
        key = group, tuple(file.file_id for file in files)
        store = self._file_stores.of(files[0])
        self._connect(store)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                self._sets[group].move_to_end(key[1])
                return found
        whole = [store.url(file.path) for file in files]
        made = outside_runtime(lambda: list_scan(self._context, whole, schema))
        with self._lock:
            if key not in self._kept:
                self._keep(key, made)
            return self._kept[key]

    def _keep(self, key: _Key, scan: DataFrame) -> None:
        group, ids = key
        self._kept[key] = scan
        self._files += len(ids)
        sets = self._sets.setdefault(group, OrderedDict())
        sets[ids] = None
        if len(sets) > SETS_A_GROUP:
            self._forget((group, next(iter(sets))))
        while len(self._kept) > self._plans_max or (self._files > FILES_MAX and len(self._kept) > PLANS_MIN):
            self._forget(next(iter(self._kept)))

    def _forget(self, key: _Key) -> None:
        group, ids = key
        del self._kept[key]
        self._files -= len(ids)
        del self._sets[group][ids]
        if not self._sets[group]:
            del self._sets[group]

    def check(self, file: ColdFile) -> None:
        """Raises Corruption when the file is not what was written, StorageUnavailable; see `FileStore.check`."""
        store = self._file_stores.of(file)
        store.check(file.path, file.bytes, file.checksum)
        self._connect(store)

    def _connect(self, files: FileStore) -> None:
        """See to it that the engine can read there by itself. All contexts share one registry of stores."""
        wanted = files.object_store()
        if wanted is None or self._stores.get(wanted.alias) == wanted:
            return
        store = AmazonS3(
            bucket_name=wanted.bucket,
            region=wanted.region,
            access_key_id=wanted.access_key_id,
            secret_access_key=wanted.secret_access_key,
            session_token=wanted.session_token or None,
            endpoint=wanted.endpoint or None,
            allow_http=wanted.endpoint.startswith("http:"),
        )
        with self._lock:
            self._context.register_object_store("s3://", store, wanted.alias)
            self._stores[wanted.alias] = wanted

    def __len__(self) -> int:
        return len(self._kept)


def list_scan(context: SessionContext, paths: Sequence[str], schema: pa.Schema) -> DataFrame:
    """One scan over exactly `paths` (absolute, in this order), read as `schema`."""
    template = context.read_parquet(paths[0], schema=schema)
    if len(paths) == 1:
        return template
    message = template.logical_plan().to_bytes(context)
    plan = LogicalPlan.from_bytes(context, with_paths(message, paths[1:]))
    return context.create_dataframe_from_logical_plan(plan)


def with_paths(message: bytes, paths: Sequence[str]) -> bytes:
    """The plan of a one-file scan with more paths in it."""
    if message[0] != _LISTING_SCAN_TAG:
        raise AssertionError("the plan of a Parquet scan is not a listing scan: datafusion has changed")
    length, start = _read_varint(message, 1)
    node = bytearray(message[start : start + length])
    for path in paths:
        text = path.encode()
        node += bytes([_PATHS_TAG]) + _varint(len(text)) + text
    return bytes([_LISTING_SCAN_TAG]) + _varint(len(node)) + bytes(node) + message[start + length :]


def outside_runtime(work: Callable[[], T]) -> T:
    """Run `work` on a thread of its own.

    While DataFusion plans a statement it asks our catalog on its own runtime's thread, where a blocking call back
    into DataFusion panics ("cannot start a runtime from within a runtime").
    """
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # panics are no Exceptions; re-raised below
            failure.append(error)

    thread = threading.Thread(target=run, name="frostline-plan")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(number, index behind it)."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at
