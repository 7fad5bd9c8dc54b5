"""Delete sets against the plainest model: a dict of `_seq` -> commit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from storage.state.delete_set import DeleteSet, delete_chunk

# Each commit deletes some versions that are not deleted yet.
COMMITS = st.lists(st.sets(st.integers(0, 60), max_size=8), max_size=20)


def built(commits: list[set[int]]) -> tuple[DeleteSet, dict[int, int]]:
    deletes, model = DeleteSet(), dict[int, int]()
    for at, wanted in enumerate(commits, start=100):
        seqs = wanted - model.keys()
        deletes = deletes.with_chunk(delete_chunk(np.array(list(seqs), dtype=np.int64), at))
        model |= dict.fromkeys(seqs, at)
    return deletes, model


def shown(deletes: DeleteSet) -> dict[int, int]:
    return dict(zip(deletes.all.seqs.tolist(), deletes.all.commits.tolist(), strict=True))


@given(COMMITS)
def test_a_set_holds_what_was_added(commits: list[set[int]]):
    deletes, model = built(commits)
    assert shown(deletes) == model
    assert deletes.all.seqs.tolist() == sorted(model)
    assert len(deletes) == len(model)
    every = np.arange(-1, 62)
    assert deletes.contains(every).tolist() == [seq in model for seq in every.tolist()]


@given(COMMITS, st.integers(-2, 62), st.integers(-2, 62))
def test_counting_between_two_bounds_includes_both(commits: list[set[int]], low: int, high: int):
    deletes, model = built(commits)
    assert deletes.count_between(low, max(low, high)) == sum(low <= seq <= max(low, high) for seq in model)


@given(COMMITS, st.integers(98, 122))
def test_an_older_moment_shows_only_older_deletes(commits: list[set[int]], moment: int):
    deletes, model = built(commits)
    assert shown(deletes.as_of(moment)) == {seq: at for seq, at in model.items() if at <= moment}


@given(COMMITS, st.sets(st.integers(0, 60)))
def test_forgotten_deletes_are_gone_and_the_others_stay(commits: list[set[int]], gone: set[int]):
    deletes, model = built(commits)
    left = deletes.without(np.array(sorted(gone), dtype=np.int64))
    assert shown(left) == {seq: at for seq, at in model.items() if seq not in gone}
    assert left.contains(np.array([1])).tolist() == [1 in model and 1 not in gone]


def test_many_single_deletes_leave_few_chunks():
    deletes = DeleteSet()
    for seq in range(1000):
        deletes = deletes.with_chunk(delete_chunk(np.array([seq]), 5000 + seq))
    assert len(deletes.chunks) <= 10
