"""Live rows stream a live query's parts one after the other, on the thread that writes them to its client.

1. initial   the rows that were there, from the state that listening began with; or, after a `_seq` to go on from,
             what changed since then
2. progress  one row with that state's `_seq`: all up to it has been told
3. changes   as the worker tells them, together if several wait

Whoever reads only some of it knows by the last `_seq` how far they are. So deletes of one commit, which share one, are
not taken for delivered before the last of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from flight_server.query.results.result_shape import cut
from flight_server.sql.live.live_queries import LiveQueries
from flight_server.sql.live.subscription import LiveState, Subscription, Told
from storage.cold.file_store import FileStores
from storage.commit.deltas import deltas_of
from storage.commit.replay import past_deltas
from storage.errors import Cancelled, FrostlineError
from storage.state.partition_change import PartitionChange

Stored = Callable[[str], Iterable[pa.RecordBatch]]
SEQ_AT = 1  # the column of `_seq`


class LiveRows:
    """Iterate once."""

    def __init__(
        self,
        live: LiveQueries,
        subscription: Subscription,
        file_stores: FileStores,
        stored: Stored,
        message_bytes_max: int,
    ) -> None:
        """stored: runs a query on the state that listening began with"""
        self._live = live
        self._subscription = subscription
        self._selection = subscription.selection
        self._file_stores = file_stores
        self._stored = stored
        self._message_bytes_max = message_bytes_max

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        subscription = self._subscription
        try:
            for rows in self._all():
                yield from self._sent(rows)
        except FrostlineError as error:
            subscription.end(error)
            raise
        finally:
            subscription.end(Cancelled("the reader went away"))

    def _all(self) -> Iterator[pa.RecordBatch]:
        subscription = self._subscription
        listening = subscription.listening
        assert listening is not None
        subscription.state = LiveState.INITIAL
        yield from self._initial()
        listening.snapshot.close()
        yield self._selection.progress(listening.seq)
        self._live.begin_progress(subscription)
        while True:
            yield from self._joined(subscription.take(), listening.seq)

    def _initial(self) -> Iterator[pa.RecordBatch]:
        reader, selection = self._subscription.reader, self._selection
        listening = self._subscription.listening
        assert listening is not None
        if reader.from_seq is not None:
            partition = listening.snapshot.state.partition(listening.partition_id)
            for delta in past_deltas(self._file_stores, partition, selection.table, reader.from_seq):
                self._subscription.raise_if_ended()
                yield selection.changes(delta)
        elif reader.last_rows != 0:
            for batch in self._stored(selection.stored_sql(reader.last_rows)):
                self._subscription.raise_if_ended()
                yield selection.stored_rows(batch)

    def _joined(self, told: list[Told], after_seq: int) -> Iterator[pa.RecordBatch]:
        """Neighbours as one batch, without what the initial rows had already."""
        waiting: list[pa.RecordBatch] = []
        for item in told:
            if isinstance(item.rows, PartitionChange):
                yield from _whole(waiting)
                waiting = []
                if item.first_seq > after_seq:
                    yield from self._loaded(item.rows)
            elif item.last_seq > after_seq:
                rows = item.rows
                waiting.append(rows if item.first_seq > after_seq else _after(rows, after_seq))
        yield from _whole(waiting)

    def _loaded(self, change: PartitionChange) -> Iterator[pa.RecordBatch]:
        for delta in deltas_of(self._file_stores, change, self._selection.table):
            self._subscription.raise_if_ended()
            yield self._selection.changes(delta)

    def _sent(self, rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """In messages; notes what the reader has once it asks for more."""
        step = self._subscription.reader.batch_rows
        at = 0
        for start in range(0, rows.num_rows, step):
            for piece in cut(rows.slice(start, step), self._message_bytes_max):
                yield piece
                at += piece.num_rows
                self._note(rows, at, piece.num_rows)

    def _note(self, rows: pa.RecordBatch, at: int, sent: int) -> None:
        """The first `at` of `rows` are with the reader."""
        subscription = self._subscription
        seq = rows.column(SEQ_AT)[at - 1].as_py()
        is_cut = at < rows.num_rows and rows.column(SEQ_AT)[at].as_py() == seq
        subscription.last_seq = max(subscription.last_seq, seq - is_cut)
        subscription.rows += sent


def _whole(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    filled = [batch for batch in batches if batch.num_rows]
    if filled:
        yield filled[0] if len(filled) == 1 else pa.concat_batches(filled)


def _after(rows: pa.RecordBatch, seq: int) -> pa.RecordBatch:
    seqs = rows.column(SEQ_AT).to_numpy()
    return rows.slice(int(np.searchsorted(seqs, seq, "right")))
