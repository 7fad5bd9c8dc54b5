"""Templates and shards: what folders are called, and that no name leads out of the storage's base."""

from __future__ import annotations

import posixpath
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.catalog.folder_templates import (
    FOLDER_CHARACTERS_MAX,
    SHARED_TEMPLATE,
    USER_TEMPLATE,
    Layout,
    Sharding,
    checked_shared_template,
    checked_user_template,
    expanded,
    folder_name,
    name_of_folder,
    parse_sharding,
    portable_folder_name,
)
from storage.catalog.names import TableName
from storage.catalog.schema import PORTABLE, Owner, TableDef, TableKind
from storage.catalog.table_options import TableOptions
from storage.errors import InvalidRequest


def table(owner: Owner | None = None) -> TableDef:
    kind = TableKind.SHARED if owner is None else TableKind.USER
    name = TableName("app", "events")
    return TableDef(table_id=1, name=name, kind=kind, columns=(), options=TableOptions(), owner=owner)


def layout(sharding: str = "none", user_template: str = USER_TEMPLATE) -> Layout:
    return Layout(SHARED_TEMPLATE, checked_user_template(user_template), parse_sharding(sharding))


def test_storage_template_validation():
    for good in (SHARED_TEMPLATE, "{namespace}-{tableName}", "lake/v=1/{namespace}/{tableName}", "{tableName}"):
        assert checked_shared_template(good) == good
    for bad, why in (
        ("", "1 to 200 characters"),
        ("{namespace}/{table}", r"no variable '\{table\}', only \{namespace\}, \{tableName\}"),
        ("{namespace}/{userId}", r"no variable '\{userId\}'"),
        ("/{namespace}/{tableName}", "begin or end with '/'"),
        ("{namespace}/{tableName}/", "begin or end with '/'"),
        ("{namespace}/../{tableName}", "'.' or '..'"),
        ("{namespace}//{tableName}", "'//'"),
        ("{namespace}/{tableName} x", "letters, digits"),
        ("{namespace}/{{tableName}}", "letters, digits"),
        ("{namespace}\\{tableName}", "letters, digits"),
        ("{namespace}/{namespace}/{tableName}", "each at most once"),
    ):
        with pytest.raises(InvalidRequest, match=why) as raised:
            checked_shared_template(bad)
        assert SHARED_TEMPLATE in raised.value.message


def test_shared_table_template_ordering():
    with pytest.raises(InvalidRequest, match=r"in the order \{namespace\}, \{tableName\}") as raised:
        checked_shared_template("{tableName}/{namespace}")
    assert "a correct one is '{namespace}/{tableName}'" in raised.value.message
    with pytest.raises(InvalidRequest, match=r"in the order \{namespace\}, \{tableName\}, \{shard\}, \{userId\}"):
        checked_user_template("{userId}/{namespace}/{tableName}")


def test_user_table_template_requires_userId():
    with pytest.raises(InvalidRequest, match=r"\{userId\} is missing") as raised:
        checked_user_template("{namespace}/{tableName}/{shard}")
    assert f"a correct one is '{USER_TEMPLATE}'" in raised.value.message
    assert checked_user_template("{namespace}/{tableName}/{userId}")


def test_an_expansion_that_looks_like_a_variable_is_not_expanded_again():
    folders = {"namespace": "n", "tableName": "{userId}", "shard": "{namespace}", "userId": "{shard}"}
    assert expanded(USER_TEMPLATE, folders) == "n/{userId}/{namespace}/{shard}"
    hostile = msgspec.structs.replace(table(Owner(1, "{shard}")), name=TableName("{userId}", "{namespace}"))
    assert Layout().folder_of(hostile) == "%7BuserId%7D/%7Bnamespace%7D/%7Bshard%7D"


def test_a_piece_that_comes_to_nothing_is_left_out():
    anna = Owner(number=1234, name="anna")
    assert layout().folder_of(table(anna)) == "app/events/anna"
    assert layout("alphabetic").folder_of(table(anna)) == "app/events/a/anna"
    assert layout("alphabetic", "{shard}-{userId}").folder_of(table(anna)) == "a-anna"
    assert layout().folder_of(table()) == "app/events"


@pytest.mark.parametrize(
    ("sharding", "owner", "shard"),
    [
        ("none", Owner(1, "anna"), ""),
        ("alphabetic", Owner(1, "Zoe"), "z"),
        ("alphabetic", Owner(1, "4ever"), "0-9"),
        ("alphabetic", Owner(1, "_x"), "other"),
        ("numeric(1000)", Owner(0, "a"), "0-999"),
        ("numeric(1000)", Owner(999, "a"), "0-999"),
        ("numeric(1000)", Owner(1000, "a"), "1000-1999"),
        ("numeric", Owner(2500, "a"), "2000-2999"),
        ("HASH(16)", Owner(1, "anna"), str(zlib.crc32(b"anna") % 16)),
        ("hash(1)", Owner(1, "anna"), "0"),
    ],
)
def test_users_are_sharded_by_letter_by_number_or_by_hash(sharding: str, owner: Owner, shard: str):
    assert parse_sharding(sharding).shard(owner) == shard


@pytest.mark.parametrize("text", ["", "random", "hash(0)", "hash(x)", "hash(65537)", "numeric(-1)", "none(1)", "hash("])
def test_another_sharding_is_refused(text: str):
    with pytest.raises(InvalidRequest, match="bad sharding"):
        parse_sharding(text)


@pytest.mark.parametrize("text", ["none", "alphabetic", "numeric(10)", "hash(4)"])
def test_a_sharding_is_shown_as_it_is_read(text: str):
    assert str(parse_sharding(text)) == text


HOSTILE = st.one_of(
    st.text(min_size=1, max_size=80),
    st.sampled_from(
        ["..", ".", "a/../../b", "/etc/passwd", "C:\\x", "%2e%2e", "{userId}", "a\0b", "\u202e", "🦀" * 20]
    ),
)


@given(name=HOSTILE)
def test_whatever_a_name_is_it_stays_one_folder(name: str):
    folder = folder_name(name)
    assert folder.isascii()
    assert folder.isprintable()
    assert not set(folder) & set('/\\:*?"<>| \0{}')
    assert folder not in ("", ".", "..")
    assert not folder.startswith(".")


@given(
    name=HOSTILE, number=st.integers(0, (1 << 32) - 1), way=st.sampled_from(["none", "alphabetic", "hash", "numeric"])
)
def test_no_user_name_climbs_out_of_the_base(name: str, number: int, way: str):
    sharding = Sharding(way, 16 if way in ("hash", "numeric") else 0)
    folder = Layout(sharding=sharding).folder_of(table(Owner(number, name)))
    whole = posixpath.normpath(f"/base/{folder}/file.parquet")
    assert whole.startswith("/base/app/events/")
    assert len(folder.split("/")) == (3 if way == "none" else 4)


@given(first=HOSTILE, second=HOSTILE)
def test_two_names_never_share_a_folder(first: str, second: str):
    assert (folder_name(first) == folder_name(second)) == (first == second)


PORTABLE_NAMES = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=64),
    st.text(alphabet="aA.~ %é_-", min_size=1, max_size=5),
    st.sampled_from(
        ["con", "CON", "nul.txt", "x.parquet", "Lpt1", "..", "a.", "a ", "~", "🦀" * 64, "É" * 64, "é" * 64]
    ),
)


@given(name=PORTABLE_NAMES)
def test_a_portable_folder_is_taken_by_every_file_system(name: str):
    folder = portable_folder_name(name)
    assert 0 < len(folder) <= FOLDER_CHARACTERS_MAX
    assert set(folder) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-%~ABCDEF")
    assert folder not in ("con", "prn", "aux", "nul", "com1", "lpt1")


@given(first=PORTABLE_NAMES, second=PORTABLE_NAMES)
def test_two_names_never_share_a_portable_folder_even_where_case_does_not_count(first: str, second: str):
    folders = portable_folder_name(first).casefold(), portable_folder_name(second).casefold()
    assert (folders[0] == folders[1]) == (first == second)


@given(name=PORTABLE_NAMES)
def test_a_folder_tells_its_name_unless_it_was_cut(name: str):
    found = name_of_folder(portable_folder_name(name))
    assert found == name or (found is None and len(name.encode()) * 3 > FOLDER_CHARACTERS_MAX)


@pytest.mark.parametrize(
    ("namespace", "name", "old", "new"),
    [
        ("app", "events", "app/events", "app/events"),
        ("Shop", "Orders_2", "Shop/Orders_2", "%53hop/%4Frders_2"),
        ("a b", "É", "a%20b/%C3%89", "a%20b/%C3%89"),
        ("_x", "con", "_x/con", "_x/%63on"),
    ],
)
def test_definitions_of_older_servers_keep_their_folders(namespace: str, name: str, old: str, new: str):
    made = msgspec.structs.replace(table(), name=TableName(namespace, name))
    assert layout().folder_of(made) == old
    assert layout().folder_of(msgspec.structs.replace(made, folder_rule=PORTABLE)) == new
