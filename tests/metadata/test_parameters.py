"""Times for clients that know only milliseconds."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from flight_server.metadata.parameters import as_asked, in_milliseconds
from storage.errors import InvalidRequest


def test_times_are_asked_for_in_milliseconds_and_all_else_as_it_is():
    asked = pa.schema(
        [("a", pa.timestamp("us", "UTC")), ("b", pa.timestamp("ns")), ("c", pa.time64("us")), ("d", pa.date32())]
    )
    assert in_milliseconds(asked).types == [
        pa.timestamp("ms", "UTC"),
        pa.timestamp("ms"),
        pa.time32("ms"),
        pa.date32(),
    ]
    assert in_milliseconds(asked).names == asked.names


def test_a_bound_time_takes_the_unit_that_is_asked_for():
    noon = datetime.time(12)
    bound = pa.record_batch([pa.array([noon], pa.time32("ms")), pa.array([1])], names=["0", "1"])
    given = as_asked(bound, pa.schema([("$1", pa.time64("us")), ("$2", pa.int32())]))
    assert given.schema.types == [pa.time64("us"), pa.int64()]
    assert given.column(0).to_pylist() == [noon]


def test_a_bound_time_that_is_finer_than_the_unit_stays():
    bound = pa.record_batch([pa.array([1], pa.time64("ns"))], names=["0"])
    assert as_asked(bound, pa.schema([("$1", pa.time32("s"))])).schema.types == [pa.time64("ns")]


def test_more_values_than_were_asked_for_are_left_for_others_to_refuse():
    bound = pa.record_batch([pa.array([1], pa.time32("s")), pa.array([2], pa.time32("s"))], names=["0", "1"])
    assert as_asked(bound, pa.schema([("$1", pa.time64("us"))])).num_columns == 2


def dense(*values: int | str) -> pa.UnionArray:
    """Numbers and texts in one column."""
    members: list[list[int | str]] = [[], []]
    codes, offsets = [], []
    for value in values:
        code = int(isinstance(value, str))
        codes.append(code)
        offsets.append(len(members[code]))
        members[code].append(value)
    children = [pa.array(members[0], pa.int64()), pa.array(members[1], pa.utf8())]
    return pa.UnionArray.from_dense(pa.array(codes, pa.int8()), pa.array(offsets, pa.int32()), children)


def test_values_are_taken_out_of_their_unions():
    asked = pa.schema([("$1", pa.int64()), ("$2", pa.utf8())])
    bound = pa.record_batch([dense(7, 8), dense("x", "y")], names=["0", "1"])
    assert as_asked(bound, asked).to_pydict() == {"0": [7, 8], "1": ["x", "y"]}
    sparse = pa.UnionArray.from_sparse(pa.array([1], pa.int8()), [pa.array([0]), pa.array(["z"])])
    assert as_asked(pa.record_batch([sparse], names=["0"]), asked).to_pydict() == {"0": ["z"]}


def test_a_union_of_several_types_is_refused():
    with pytest.raises(InvalidRequest, match="several types"):
        as_asked(pa.record_batch([dense(7, "x")], names=["0"]), pa.schema([("$1", pa.int64())]))
