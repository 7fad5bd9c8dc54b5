"""TableDef describes a table: columns, keys, options; Arrow types have a text form for definitions on disk.

A column keeps its `physical_name` for life: rename changes `name` alone, and a dropped column's physical name
is never given out again. So every Parquet file and hot batch, however old, can be read as the newest schema.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeVar

import msgspec
import pyarrow as pa

from storage.catalog.constraints import Constraint
from storage.catalog.names import TableName
from storage.catalog.partition_ids import owned_partition
from storage.catalog.table_options import OPTIONS_OF, TableOptions

T = TypeVar("T")

SEQ: Final = "_seq"
UPDATED: Final = "_updated"
DELETED: Final = "_deleted"
SYSTEM_COLUMNS: Final = (SEQ, UPDATED, DELETED)
UPDATED_TYPE: Final = pa.timestamp("ms", tz="UTC")


KEEPS_CASE: Final = 1  # see `folder_templates`; DO NOT CHANGE: definitions on disk say so
PORTABLE: Final = 2


class TableKind(StrEnum):
    SHARED = "shared"
    USER = "user"
    STREAM = "stream"


class Identity(StrEnum):
    """Who may give an identity column its values: nobody but the server, or a statement too."""

    ALWAYS = "ALWAYS"
    BY_DEFAULT = "BY DEFAULT"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column.

    name:          what statements call it
    physical_name: what it is called inside files and hot batches, for life
    type:          the Arrow type that clients see
    sql_type:      the type as declared (VARCHAR, UUID, JSON, ..), for SHOW CREATE TABLE and TYPE_NAME
    default_sql:   text of the DEFAULT expression, None when there is none
    fill:          one-element Arrow array (IPC) that rows older than the column are given; None means NULL
    metadata:      of the Arrow field that a load brought, such as the name of an extension type that only clients know
    identity:      of a column GENERATED .. AS IDENTITY; its default_sql says what makes the values
    """

    name: str
    physical_name: str
    type: pa.DataType
    sql_type: str
    nullable: bool = True
    default_sql: str | None = None
    fill: bytes | None = None
    comment: str = ""
    metadata: tuple[tuple[bytes, bytes], ...] = ()
    identity: Identity | None = None

    @property
    def default_shown(self) -> str | None:
        """What stands for the DEFAULT where people look."""
        return self.default_sql if self.identity is None else f"GENERATED {self.identity} AS IDENTITY"

    @property
    def field(self) -> pa.Field:
        """The column as clients see it."""
        return pa.field(self.name, self.type, self.nullable, dict(self.metadata) or None)


class Owner(msgspec.Struct, frozen=True):
    """Whose rows of user tables are meant: number 0 is somebody who never had any.

    number: for life, never another one's, see `owners`
    name:   of the user, as it is shown and as folders are named
    """

    number: int
    name: str


class TableDef(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A table at one schema version. Replaced as a whole by each ALTER, with `version` one higher.

    changed_seq, changed_by: the commit that made this version, and who asked for it; "" = not known
    key_name: of the primary key's constraint; "" = none was given
    constraints: what it tells clients of and nobody enforces
    owner: of a user table as one user sees it; the catalog's own definitions have none
    folder_rule: how its name and its namespace's are written in folders; older definitions do not say it
    """

    table_id: int
    name: TableName
    kind: TableKind
    columns: tuple[Column, ...]
    options: TableOptions
    version: int = 1
    primary_key: tuple[str, ...] = ()  # logical column names, in key order
    retired_names: tuple[str, ...] = ()  # physical names of dropped columns
    comment: str = ""
    created_ms: int = 0
    changed_seq: int = 0
    changed_by: str = ""
    key_name: str = ""
    constraints: tuple[Constraint, ...] = ()
    owner: Owner | None = None
    folder_rule: int = KEEPS_CASE

    @property
    def partition_id(self) -> int:
        """Where the rows live. Of a user table without an owner: a partition that is always empty."""
        if self.kind is TableKind.USER:
            return owned_partition(self.table_id, 0 if self.owner is None else self.owner.number)
        return self.table_id

    def owned_by(self, owner: Owner) -> TableDef:
        """A user table as `owner` sees it; any other table as it is."""
        if self.kind is not TableKind.USER or self.owner == owner:
            return self
        owned = msgspec.structs.replace(self, owner=owner)
        # What is made once per definition is made once for all owners.
        for name in ("arrow_schema", "physical_schema", "key_columns"):
            owned.__dict__[name] = getattr(self, name)
        return owned

    @property
    def primary_key_name(self) -> str:
        """What the primary key's constraint is called."""
        return self.key_name or f"{self.name.table}_pkey"

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)

    @property
    def options_shown(self) -> dict[str, str]:
        """Option name -> value, as `WITH (..)` would take it back: of those that tables of its kind take."""
        allowed = OPTIONS_OF[self.kind]
        return {name: value for name, value in self.options.shown().items() if name in allowed}

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """What `SELECT *` shows: user columns by their logical names."""
        return pa.schema([c.field for c in self.columns])

    @cached_property
    def physical_schema(self) -> pa.Schema:
        """How hot batches are kept: user columns by physical name. All nullable: old rows may lack any."""
        return pa.schema([pa.field(c.physical_name, c.type) for c in self.columns])

    @cached_property
    def key_columns(self) -> tuple[Column, ...]:
        by_name = {c.name: c for c in self.columns}
        return tuple(by_name[name] for name in self.primary_key)


class ViewDef(msgspec.Struct, frozen=True, kw_only=True):
    """A stored SELECT. `default_namespace` is where unqualified names in `sql` are looked up."""

    name: TableName
    sql: str
    default_namespace: str
    comment: str = ""
    created_ms: int = 0
    column_comments: tuple[tuple[str, str], ...] = ()  # by column; those without a comment are left out

    def comment_of(self, column: str) -> str:
        """Empty where there is none."""
        return next((comment for name, comment in self.column_comments if name == column), "")

    def commented(self, column: str | None, comment: str) -> ViewDef:
        """With a comment on itself or on a column of it; an empty one takes it away."""
        if column is None:
            return msgspec.structs.replace(self, comment=comment)
        others = tuple(pair for pair in self.column_comments if pair[0] != column)
        return msgspec.structs.replace(self, column_comments=(*others, (column, comment)) if comment else others)


class NamespaceDef(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    description: str = ""
    created_ms: int = 0


def fill_arrays(table: TableDef) -> dict[str, pa.Array]:
    """Physical name -> one-element array that rows older than the column are given."""
    return {c.physical_name: read_fill(c.fill) for c in table.columns if c.fill is not None}


def write_fill(value: pa.Array) -> bytes:
    """A one-element array as an IPC stream; inverse of `read_fill`."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([value], names=["fill"])
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def read_fill(data: bytes) -> pa.Array:
    return pa.ipc.open_stream(pa.py_buffer(data)).read_next_batch().column(0)


def type_to_text(data_type: pa.DataType) -> str:
    """An Arrow type as base64 of an IPC schema message; inverse of `type_from_text`."""
    return base64.b64encode(pa.schema([pa.field("t", data_type)]).serialize().to_pybytes()).decode()


def type_from_text(text: str) -> pa.DataType:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).field(0).type


def encode_record(record: msgspec.Struct) -> bytes:
    """A record of the `meta` family as JSON; Arrow types by `type_to_text`."""
    return msgspec.json.encode(record, enc_hook=_encode_foreign)


def decode_record(data: bytes, kind: type[T]) -> T:
    return msgspec.json.decode(data, type=kind, dec_hook=_decode_foreign)


def _encode_foreign(value: Any) -> Any:
    if isinstance(value, pa.DataType):
        return type_to_text(value)
    raise NotImplementedError(f"no record form for {type(value)}")


def _decode_foreign(kind: type, value: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, pa.DataType):
        return type_from_text(value)
    raise NotImplementedError(f"no record form for {kind}")
