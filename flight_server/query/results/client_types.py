"""Client types are the Arrow types that leave the server, and so the types that columns have.

View layouts of text, binary and lists' items become the plain ones: the values are the same, and older drivers fail
on views. An ordered dictionary becomes an unordered one, since the engine drops the flag. The fields of a
struct and the items of a fixed size list may be NULL: beneath a NULL they are, and Go's Arrow refuses such a field
that says it never is. All other types stay.
A field's metadata stays where it is text.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.types as arrow

_EXTENSION: Final = (b"ARROW:extension:name", b"ARROW:extension:metadata")


def client_type(data_type: pa.DataType) -> pa.DataType:
    """`data_type` without views, at any depth."""
    if arrow.is_string_view(data_type):
        return pa.string()
    if arrow.is_binary_view(data_type):
        return pa.binary()
    if isinstance(data_type, pa.BaseExtensionType):
        return data_type
    if arrow.is_dictionary(data_type):
        return pa.dictionary(data_type.index_type, client_type(data_type.value_type))
    if arrow.is_run_end_encoded(data_type):
        return pa.run_end_encoded(data_type.run_end_type, client_type(data_type.value_type))
    if arrow.is_struct(data_type):
        return pa.struct([_inner(field) for field in data_type])
    if arrow.is_map(data_type):
        return pa.map_(client_field(data_type.key_field), client_field(data_type.item_field), data_type.keys_sorted)
    return _list_type(data_type)


def client_field(field: pa.Field) -> pa.Field:
    return field.with_type(client_type(field.type)).with_metadata(text_metadata(field))


def text_metadata(field: pa.Field) -> dict[bytes, bytes] | None:
    """The field's metadata if all of it is text, else what is; the engine fails on anything else.

    A name of an extension type is nothing without its own metadata.
    """
    before = field.metadata
    if not before:
        return None
    kept = {key: text for key, text in before.items() if _is_text(key) and _is_text(text)}
    if _EXTENSION[1] in before and _EXTENSION[1] not in kept:
        kept.pop(_EXTENSION[0], None)
    return kept or None


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _inner(field: pa.Field) -> pa.Field:
    """There as long as what holds it is, NULL otherwise."""
    return client_field(field).with_nullable(True)


def _list_type(data_type: pa.DataType) -> pa.DataType:
    if arrow.is_fixed_size_list(data_type):
        return pa.list_(_inner(data_type.value_field), data_type.list_size)
    for is_of, make in _LISTS:
        if is_of(data_type):
            return make(client_field(data_type.value_field))
    return data_type


_LISTS = (
    (arrow.is_list, pa.list_),
    (arrow.is_large_list, pa.large_list),
    (arrow.is_list_view, pa.list_view),
    (arrow.is_large_list_view, pa.large_list_view),
)


def is_narrow_float(data_type: pa.DataType) -> bool:
    """REAL and smaller. The engine makes infinity of a number too large for it, so the cast to it is made here."""
    return bool(pa.types.is_float32(data_type) or pa.types.is_float16(data_type))
