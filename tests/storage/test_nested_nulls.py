"""What lies beneath a NULL: cleared, at any depth, of whole arrays and slices."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.state.nested_nulls import cleared, cleared_batch
from tests.storage.nested_arrays import arrays, is_clear, nested_types

MASK = pa.array([False, True, False])
PLAIN = pa.array([1, 2, 3], pa.int8())


def nested(kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
    return st.integers(0, 6).flatmap(lambda rows: arrays(kind, rows))


@given(nested_types().flatmap(nested))
def test_nothing_is_left_beneath_a_null_and_no_value_changes(sent: pa.Array) -> None:
    clear = cleared(sent)
    clear.validate(full=True)
    assert clear.type == sent.type
    assert clear.to_pylist() == sent.to_pylist()
    assert is_clear(clear)


def test_a_struct_in_an_extension_type_a_list_view_or_a_dictionary_is_cleared() -> None:
    structs = pa.StructArray.from_arrays([PLAIN], names=["a"], mask=MASK)
    views = pa.ListViewArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array([1, 1, 1], pa.int32()), structs)
    assert cleared(views).equals(views)
    assert cleared(views).values.field("a").null_count == 1
    coded = pa.DictionaryArray.from_arrays(pa.array([2, 0, None], pa.int8()), structs)
    assert cleared(coded).dictionary.field("a").null_count == 0
    assert cleared(coded).to_pylist() == [{"a": 3}, {"a": 1}, None]
    tensor = pa.fixed_shape_tensor(pa.int8(), [1])
    wrapped = pa.ExtensionArray.from_storage(tensor, pa.FixedSizeListArray.from_arrays(PLAIN, 1, mask=MASK))
    assert cleared(wrapped).type == tensor
    assert cleared(wrapped).storage.values.null_count == 1


def test_a_null_of_a_dictionary_becomes_one_of_its_rows() -> None:
    sent = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 2], pa.int8()), pa.array(["x", None, "z"]))
    clear = cleared(sent)
    assert (clear.type, clear.to_pylist()) == (sent.type, ["x", None, None, "z"])
    assert clear.indices.to_pylist() == [0, None, None, 1]


@pytest.mark.parametrize("column", [PLAIN, pa.array([[1], None, []]), pa.array(["a", None, "b"])])
def test_what_is_clear_already_is_not_touched(column: pa.Array) -> None:
    batch = pa.record_batch({"c": column})
    assert cleared_batch(batch) is batch
