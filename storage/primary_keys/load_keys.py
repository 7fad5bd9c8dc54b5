"""LoadKeys enters the primary keys of a bulk load, read back from its files, into the index.

Chunks are entered on the committer thread (`reservations`). As long as nobody else has, or brings, a row of the table,
no key can be taken, and nobody looks them up; that they differ among themselves is seen by their hashes, at the end.
The entries name the load: until it commits they mean nothing.

Not done: having RocksDB ingest a sorted file of keys, which is half the work. When the disk refuses the sync of its
MANIFEST, it removes the file though the MANIFEST may name it, and the row store can't be opened any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import Final

import numpy as np
import pyarrow as pa

from storage.catalog.schema import SEQ, TableDef
from storage.cold.file_store import FileStores
from storage.cold.parquet import read_rows
from storage.errors import ConstraintViolated
from storage.failpoints import reach
from storage.primary_keys.encoding import encode_keys
from storage.primary_keys.reservations import KeyReservation, UnseenReservation
from storage.state.edits import RowChange
from storage.state.state import ColdFile

ReserveKeys = Callable[[KeyReservation], list[tuple[bytes, int]]]
ReserveUnseen = Callable[[UnseenReservation], bool]

RESERVED_AT_ONCE: Final = 4096  # keys: holds other writers up for some 10 ms at most


class LoadKeys:
    """The reservations of one load: `take` its files, then `check_unique`."""

    def __init__(
        self,
        change: RowChange,
        load_id: int,
        file_stores: FileStores,
        reserve_keys: ReserveKeys,
        reserve_unseen: ReserveUnseen,
    ) -> None:
        self._file_stores = file_stores
        self._reserve_keys = reserve_keys
        self._reserve_unseen = reserve_unseen
        self._change = change
        self._load_id = load_id
        self._replaced = np.empty(0, np.int64) if change.deletes is None else np.sort(change.deletes)
        self._unseen: list[np.ndarray] = []  # hashes of the keys that nobody looked up
        self._files: list[ColdFile] = []
        self._may_skip = True

    def take(self, files: Sequence[ColdFile], first_ordinal: int, dead: np.ndarray) -> list[tuple[bytes, int]]:
        """Enter the keys of staged files, whose ordinals begin at `first_ordinal`, but for the `dead` ones.

        Returns the entries that must wait for the load's own edit.
        Raises ConstraintViolated (a live row, or another of the load, has the key), Conflict, StorageUnavailable.
        """
        self._files += files
        late: list[tuple[bytes, int]] = []
        for keys, ordinals in file_keys(self._file_stores, self._change.table, files):
            alive = ~np.isin(ordinals, dead) if len(dead) else None
            kept = keys if alive is None else list(compress(keys, alive.tolist()))
            moved = (ordinals if alive is None else ordinals[alive]) + first_ordinal
            for row in range(0, len(kept), RESERVED_AT_ONCE):
                late += self._enter(kept[row : row + RESERVED_AT_ONCE], moved[row : row + RESERVED_AT_ONCE])
        return late

    def check_unique(self) -> None:
        """Keys that nobody looked up are all different. Raises ConstraintViolated."""
        hashes = np.sort(np.concatenate([np.empty(0, np.int64), *self._unseen]))
        doubtful = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        if not doubtful:
            return
        # Two keys may share a hash; their bytes decide.
        seen: set[bytes] = set()
        for keys, _ in file_keys(self._file_stores, self._change.table, self._files):
            for key in keys:
                if hash(key) in doubtful and key in seen:
                    raise _twice(self._change)
                if hash(key) in doubtful:
                    seen.add(key)

    def _enter(self, keys: list[bytes], ordinals: np.ndarray) -> list[tuple[bytes, int]]:
        self._may_skip = self._may_skip and self._skip(keys, ordinals)
        late = [] if self._may_skip else self._look_up(keys, ordinals)
        reach("load.after_claim")
        return late

    def _skip(self, keys: list[bytes], ordinals: np.ndarray) -> bool:
        reservation = UnseenReservation(self._change.table.partition_id, self._load_id, keys, ordinals)
        if not self._reserve_unseen(reservation):
            return False
        self._unseen.append(np.fromiter(map(hash, keys), np.int64, len(keys)))
        return True

    def _look_up(self, keys: list[bytes], ordinals: np.ndarray) -> list[tuple[bytes, int]]:
        table = self._change.table
        entries = tuple(zip(keys, ordinals.tolist(), strict=True))
        reservation = KeyReservation(str(table.name), table.partition_id, self._load_id, entries, self._replaced)
        return self._reserve_keys(reservation)


def file_keys(
    file_stores: FileStores, table: TableDef, files: Sequence[ColdFile]
) -> Iterator[tuple[list[bytes], np.ndarray]]:
    """Encoded primary keys and the stored `_seq`s of files. Raises Corruption, StorageUnavailable."""
    names = [c.physical_name for c in table.key_columns]
    schema = pa.schema([pa.field(c.physical_name, c.type) for c in table.key_columns])
    for file in files:
        for batch in read_rows(file_stores.of(file), file, schema):
            keys = encode_keys([batch.column(n) for n in names], list(table.primary_key))
            yield keys, batch.column(SEQ).to_numpy(zero_copy_only=False)


def _twice(change: RowChange) -> ConstraintViolated:
    return ConstraintViolated(f"the load brings a primary key twice for table '{change.table.name}'; no row was stored")
