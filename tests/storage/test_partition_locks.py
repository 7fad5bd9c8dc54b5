"""Locks of partitions: one holder at a time, and nothing kept of those that nobody holds."""

from __future__ import annotations

import threading

import pytest

from storage.commit.partition_locks import PartitionLocks


def test_one_thread_holds_a_partition_at_a_time():
    locks, inside, most = PartitionLocks(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with locks.held(7):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_other_partitions_do_not_wait():
    locks = PartitionLocks()
    with locks.held(1), locks.held(2):
        assert len(locks) == 2


def test_a_lock_is_kept_only_as_long_as_somebody_holds_it_or_waits_for_it():
    locks, entered = PartitionLocks(), threading.Event()

    def wait() -> None:
        with locks.held(1):
            entered.set()

    with locks.held(1):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.wait(0.05)
        assert len(locks) == 1
    waiting.join()
    assert entered.is_set()
    assert len(locks) == 0


def test_a_holder_that_fails_lets_go():
    locks = PartitionLocks()
    with pytest.raises(ValueError, match="broken"), locks.held(1):
        raise ValueError("broken")
    assert len(locks) == 0
