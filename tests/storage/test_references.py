"""Foreign keys follow the tables that they are between; records of older versions have none."""

from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest

from storage.catalog.catalog import Catalog
from storage.catalog.constraints import Constraint, ConstraintKind, Reference
from storage.catalog.names import TableName
from storage.catalog.references import with_sound_references
from storage.catalog.schema import Column, Identity, TableDef, TableKind, decode_record, encode_record
from storage.catalog.table_options import TableOptions
from storage.errors import InvalidRequest, NotFound

PARENT, CHILD = TableName("public", "parent"), TableName("public", "child")


def column(name: str) -> Column:
    return Column(name=name, physical_name=name, type=pa.int64(), sql_type="BIGINT")


def table(id_: int, name: TableName, *constraints: Constraint) -> TableDef:
    return TableDef(
        table_id=id_,
        name=name,
        kind=TableKind.SHARED,
        columns=(column("id"), column("up")),
        options=TableOptions(),
        primary_key=("id",),
        key_name="the_key",
        constraints=constraints,
    )


def foreign_key(target: TableName, *columns: str) -> Constraint:
    reference = Reference(table=target, columns=columns)
    return Constraint(name="f", kind=ConstraintKind.FOREIGN_KEY, columns=("up",), reference=reference)


@pytest.fixture
def catalog() -> Catalog:
    parent, child = table(1, PARENT), table(2, CHILD, foreign_key(PARENT, "id"))
    return Catalog().with_new_table(parent).with_new_table(child)


def test_a_record_comes_back_as_it_was_and_an_old_one_without_constraints():
    identity = msgspec.structs.replace(column("id"), identity=Identity.BY_DEFAULT, default_sql="snowflake_id()")
    whole = msgspec.structs.replace(table(2, CHILD, foreign_key(PARENT, "id")), columns=(identity, column("up")))
    assert decode_record(encode_record(whole), TableDef) == whole
    old = msgspec.json.decode(encode_record(whole))
    del old["constraints"], old["key_name"], old["columns"][0]["identity"]
    read = decode_record(msgspec.json.encode(old), TableDef)
    assert (read.constraints, read.key_name, read.columns[0].identity) == ((), "", None)
    assert read.primary_key_name == "child_pkey"


def test_a_foreign_key_must_find_its_key(catalog: Catalog):
    for target, columns, error, sqlstate in (
        (TableName("public", "nothing"), ("id",), NotFound, "42P01"),
        (PARENT, ("nothing",), InvalidRequest, "42703"),
        (PARENT, ("up",), InvalidRequest, "42830"),
        (PARENT, ("id", "up"), InvalidRequest, "42830"),
    ):
        with pytest.raises(error) as refused:
            catalog.with_new_table(table(3, TableName("public", "x"), foreign_key(target, *columns)))
        assert refused.value.sqlstate == sqlstate


def test_a_changed_reference_is_a_new_version_and_nothing_else_is_touched(catalog: Catalog):
    other = TableName("public", "other")
    catalog = catalog.with_new_table(table(3, other))
    renamed = catalog.with_renamed_table(catalog.tables[PARENT], TableName("public", "ancestor"))
    assert renamed.tables[CHILD].constraints == (foreign_key(TableName("public", "ancestor"), "id"),)
    assert renamed.tables[CHILD].version == catalog.tables[CHILD].version + 1
    assert renamed.tables[other] is catalog.tables[other]
    dropped = catalog.without_table(PARENT)
    assert dropped.tables[CHILD].constraints == ()
    assert dropped.tables[other] is catalog.tables[other]


def test_names_that_change_places_are_followed(catalog: Catalog):
    before = catalog.tables[PARENT]
    swapped = tuple(msgspec.structs.replace(c, name={"id": "up", "up": "id"}[c.name]) for c in before.columns)
    after = msgspec.structs.replace(before, columns=swapped, primary_key=("up",), version=2)
    assert catalog.with_altered_table(before, after).tables[CHILD].constraints == (foreign_key(PARENT, "up"),)


def test_a_key_that_is_referred_to_stays_unless_it_is_said_otherwise(catalog: Catalog):
    before = catalog.tables[PARENT]
    after = msgspec.structs.replace(before, primary_key=(), version=2)
    with pytest.raises(InvalidRequest) as refused:
        catalog.with_altered_table(before, after)
    assert refused.value.sqlstate == "2BP01"
    assert catalog.with_altered_table(before, after, cascade=True).tables[CHILD].constraints == ()


def test_what_was_not_saved_takes_the_foreign_keys_to_it(catalog: Catalog):
    assert with_sound_references(catalog.tables) == dict(catalog.tables)
    alone = {CHILD: catalog.tables[CHILD]}
    assert with_sound_references(alone)[CHILD].constraints == ()
