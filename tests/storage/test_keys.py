"""Keys on disk: each has its inverse, and byte order is number order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.rowstore import keys

NUMBERS = st.integers(0, 2**64 - 2)


@given(NUMBERS, NUMBERS)
def test_a_pair_key_is_read_back_as_written(first: int, second: int):
    assert keys.split_pair_key(keys.pair_key(first, second)) == (first, second)


@given(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS))
def test_pair_keys_sort_as_their_numbers(a: tuple[int, int], b: tuple[int, int]):
    assert (keys.pair_key(*a) < keys.pair_key(*b)) == (a < b)


@given(NUMBERS, NUMBERS, st.binary(max_size=20), NUMBERS)
def test_a_partition_range_holds_its_own_keys_and_no_others(partition: int, number: int, encoded: bytes, other: int):
    start, end = keys.partition_range(partition)
    for key in (keys.pair_key(partition, number), keys.pk_key(partition, encoded)):
        assert start <= key < end
        assert keys.partition_of(key) == partition
    if other != partition:
        assert not start <= keys.pair_key(other, number) < end


@given(st.sampled_from(keys.MetaKind), st.text(max_size=30).filter(lambda t: t.isprintable()))
def test_a_meta_key_is_read_back_as_written(kind: keys.MetaKind, name: str):
    assert keys.split_meta_key(keys.meta_key(kind, name)) == (kind, name)


def test_the_first_bytes_of_meta_keys_are_the_ones_in_every_data_directory():
    assert {kind.name: kind.value for kind in keys.MetaKind} == {
        "FORMAT": b"F",
        "NAMESPACE": b"N",
        "TABLE": b"T",
        "TABLE_VERSION": b"H",
        "VIEW": b"V",
        "USER": b"U",
        "STORAGE": b"P",
        "GRANT": b"G",
        "LOAD": b"L",
        "LOADING": b"B",
        "DROPPED": b"D",
        "DROPPED_TABLE": b"X",
        "NEXT_ID": b"I",
        "LAST_SEQ": b"S",
        "EVICTED": b"E",
    }


def test_versions_of_a_table_sort_by_number():
    names = [keys.table_version_name(table, version) for table in (2, 10) for version in (1, 9, 10, 200)]
    assert names == sorted(names)
