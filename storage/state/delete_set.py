"""DeleteSet tells which row versions are deleted, and by which commit.

A set is a tuple of sorted chunks, merged in doubling steps, so adding one delete costs O(log n) copies over a
set's life and a lookup is a binary search in O(log n) chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class DeleteChunk:
    """seqs: int64[n], sorted; commits: int64[n], the `_seq` of the commit that deleted each."""

    seqs: np.ndarray
    commits: np.ndarray


def delete_chunk(seqs: np.ndarray, commit_seq: int) -> DeleteChunk:
    """The deletes of one commit. `seqs` in any order, without repeats."""
    ordered = np.sort(seqs.astype(np.int64, copy=False))
    return DeleteChunk(ordered, np.full(len(ordered), commit_seq, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class DeleteSet:
    """Immutable; `with_chunk` gives the next one."""

    chunks: tuple[DeleteChunk, ...] = ()

    def __len__(self) -> int:
        return sum(len(chunk.seqs) for chunk in self.chunks)

    @property
    def newest_commit(self) -> int:
        """`_seq` of the newest commit that deleted something; 0 when there is none."""
        return max((int(chunk.commits.max()) for chunk in self.chunks if len(chunk.commits)), default=0)

    def with_chunk(self, added: DeleteChunk) -> DeleteSet:
        """Add deletes; none of them may be in the set already."""
        if len(added.seqs) == 0:
            return self
        chunks = list(self.chunks)
        while chunks and len(chunks[-1].seqs) <= len(added.seqs):
            added = _merged(chunks.pop(), added)
        return DeleteSet((*chunks, added))

    def without(self, seqs: np.ndarray) -> DeleteSet:
        """Forget deletes whose row versions are gone from disk."""
        kept = [_filtered(chunk, ~np.isin(chunk.seqs, seqs)) for chunk in self.chunks]
        return DeleteSet(tuple(chunk for chunk in kept if len(chunk.seqs)))

    def commits_of(self, seqs: np.ndarray) -> np.ndarray:
        """int64: the commits that deleted those of `seqs` that are deleted, in no order."""
        hits = [chunk.commits[np.isin(chunk.seqs, seqs)] for chunk in self.chunks]
        return np.concatenate([np.empty(0, np.int64), *hits])

    def without_below(self, seq: int) -> DeleteSet:
        """Forget deletes of versions before `seq`."""
        kept = [_filtered(chunk, chunk.seqs >= seq) for chunk in self.chunks]
        return DeleteSet(tuple(chunk for chunk in kept if len(chunk.seqs)))

    def contains(self, seqs: np.ndarray) -> np.ndarray:
        """bool[len(seqs)]: which of them are deleted."""
        found = np.zeros(len(seqs), dtype=bool)
        for chunk in self.chunks:
            at = np.minimum(np.searchsorted(chunk.seqs, seqs), len(chunk.seqs) - 1)
            found |= chunk.seqs[at] == seqs
        return found

    def count_between(self, seq_min: int, seq_max: int) -> int:
        """How many deleted `_seq`s lie in [seq_min, seq_max]."""
        return sum(
            int(np.searchsorted(c.seqs, seq_max, "right") - np.searchsorted(c.seqs, seq_min, "left"))
            for c in self.chunks
        )

    def as_of(self, commit_seq: int) -> DeleteSet:
        """Only the deletes committed up to and including `commit_seq`."""
        kept = [_filtered(chunk, chunk.commits <= commit_seq) for chunk in self.chunks]
        return DeleteSet(tuple(chunk for chunk in kept if len(chunk.seqs)))

    @cached_property
    def oldest_commit(self) -> int | None:
        """Of the deletes in the set; None when it is empty."""
        return min((int(chunk.commits.min()) for chunk in self.chunks), default=None)

    @cached_property
    def all(self) -> DeleteChunk:
        """Every delete as one sorted chunk. Computed once per set."""
        whole = DeleteChunk(np.empty(0, np.int64), np.empty(0, np.int64))
        for chunk in self.chunks:
            whole = _merged(whole, chunk)
        return whole


def _merged(a: DeleteChunk, b: DeleteChunk) -> DeleteChunk:
    seqs = np.concatenate([a.seqs, b.seqs])
    order = np.argsort(seqs, kind="stable")
    return DeleteChunk(seqs[order], np.concatenate([a.commits, b.commits])[order])


def _filtered(chunk: DeleteChunk, keep: np.ndarray) -> DeleteChunk:
    return chunk if bool(keep.all()) else DeleteChunk(chunk.seqs[keep], chunk.commits[keep])
