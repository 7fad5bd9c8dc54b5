"""Partition ids: the table's id, or, for a user table, the table's id (upper 32 bits) and the owner's number (lower).

DO NOT CHANGE: these numbers are in every data directory.
"""

from __future__ import annotations

from typing import Final

OWNER_BITS: Final = 32
FIRST_OWNED: Final = 1 << OWNER_BITS  # partition ids from here on are a user's part of a user table


def owned_partition(table_id: int, owner_number: int) -> int:
    """The partition of one owner's rows in a user table."""
    assert 0 < table_id < FIRST_OWNED
    assert 0 <= owner_number < FIRST_OWNED
    return table_id << OWNER_BITS | owner_number


def is_owned(partition_id: int) -> bool:
    """Whether it is one owner's part of a user table."""
    return partition_id >= FIRST_OWNED


def table_of_partition(partition_id: int) -> int:
    """The id of the table that the partition belongs to."""
    return partition_id >> OWNER_BITS or partition_id


def owner_of_partition(partition_id: int) -> int:
    """The owner's number; 0 for partitions that have none."""
    return partition_id & (FIRST_OWNED - 1) if is_owned(partition_id) else 0
